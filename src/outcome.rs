//! Outcomes, each with one word that the log, the metrics, the spans and the run records share.

/// An enum that assigns a word to each variant and lists all variants.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$of_variant:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$of_variant])* $variant,)+
        }

        impl $name {
            /// Every variant.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The variant's word: lower case, with underscores.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }
    };
}

words! {
    /// How a request to the public listener ended.
    Outcome {
        /// Executed: a new user was created.
        Created = "created",
        /// Executed for an existing user.
        Found = "found",
        /// Executed earlier, with the same `Idempotency-Key` or `webhook-id`; the first answer was repeated.
        Repeated = "repeated",
        /// The webhook's protection does not allow the caller's address.
        AddressNotAllowed = "address_not_allowed",
        /// HEAD with a webhook's key, or OPTIONS: nothing was to be executed.
        Asked = "asked",
        /// Other calls for the same user or login took too long.
        Busy = "busy",
        /// The connection was lost during the commit: the call may or may not be executed.
        CommitUnknown = "commit_unknown",
        /// A statement failed for another reason.
        DatabaseError = "database_error",
        /// The database is unreachable, read-only, or accepts no more connections.
        DatabaseUnavailable = "database_unavailable",
        /// A bug, or a password that could not be hashed.
        Failed = "failed",
        /// The `Idempotency-Key` or `webhook-id` was used for a call with other fields.
        IdempotencyConflict = "idempotency_conflict",
        /// The webhook's source says that there is nothing to do.
        Ignored = "ignored",
        /// No address, or none that WordPress accepts.
        InvalidEmail = "invalid_email",
        /// Malformed, or not form data.
        InvalidRequest = "invalid_request",
        /// Conflicts with other transactions, too often.
        LockConflict = "lock_conflict",
        /// Every name that was tried is taken.
        NoFreeName = "no_free_name",
        /// The network has no such site.
        NoSuchSite = "no_such_site",
        /// The database answers, but refuses the call until an operator mends it: a full disk, a missing or damaged table, a
        /// missing column or privilege.
        NeedsOperator = "needs_operator",
        /// No webhook action, or no key.
        NotACall = "not_a_call",
        /// The database has not yet been found safe to write to.
        NotReady = "not_ready",
        /// The webhook's protection requires a signature, and it is missing or wrong.
        NotSigned = "not_signed",
        /// More calls than there is room for.
        Overloaded = "overloaded",
        /// Another call created or deleted the user in between, too often.
        Raced = "raced",
        /// The client or the webhook exceeded its limit of calls or wrong keys.
        RateLimited = "rate_limited",
        /// The process is shutting down.
        ShuttingDown = "shutting_down",
        /// The network's site is archived, deleted or marked as spam.
        SiteClosed = "site_closed",
        /// The body exceeds the size limit.
        TooLarge = "too_large",
        /// The WordPress version is unknown.
        UnknownVersion = "unknown_version",
        /// No webhook has this key.
        UnknownWebhook = "unknown_webhook",
        /// The webhook's record is corrupt.
        UnreadableWebhook = "unreadable_webhook",
        /// A column cannot hold a value of the call.
        Unstorable = "unstorable",
        /// Not POST.
        WrongMethod = "wrong_method",
    }
}

/// What operators tell outcomes apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Executed, for a new member.
    New,
    /// Executed, for a known member.
    Known,
    /// Executed earlier.
    Repeated,
    /// Nothing was changed, for a reason in the call.
    Refused,
    /// Nothing was changed, or nobody knows, for a reason in the server.
    Failed,
    /// No call, or one that asks for nothing.
    None,
}

impl Outcome {
    /// Whose matter it is.
    pub fn class(self) -> Class {
        match self {
            Self::Created => Class::New,
            Self::Found => Class::Known,
            Self::Repeated => Class::Repeated,
            Self::Asked | Self::Ignored | Self::NotACall | Self::WrongMethod => Class::None,
            Self::AddressNotAllowed
            | Self::IdempotencyConflict
            | Self::InvalidEmail
            | Self::InvalidRequest
            | Self::NoFreeName
            | Self::NoSuchSite
            | Self::NotSigned
            | Self::RateLimited
            | Self::SiteClosed
            | Self::TooLarge
            | Self::UnknownWebhook
            | Self::UnreadableWebhook
            | Self::Unstorable => Class::Refused,
            Self::Busy
            | Self::CommitUnknown
            | Self::DatabaseError
            | Self::DatabaseUnavailable
            | Self::Failed
            | Self::LockConflict
            | Self::NeedsOperator
            | Self::NotReady
            | Self::Overloaded
            | Self::Raced
            | Self::ShuttingDown
            | Self::UnknownVersion => Class::Failed,
        }
    }

    /// Whether a request that ended this way may have had a webhook's key.
    pub fn may_be_a_webhooks(self) -> bool {
        !matches!(self, Self::Asked | Self::NotACall | Self::UnknownWebhook)
    }

    /// Whether the reason of a call that ended this way can go while the call stays as it is: a database comes back, a
    /// webhook is mended. Else the sender or the webhook's protection is the reason, and the same call would end the same way.
    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Busy
                | Self::CommitUnknown
                | Self::DatabaseError
                | Self::DatabaseUnavailable
                | Self::Failed
                | Self::LockConflict
                | Self::NeedsOperator
                | Self::NoFreeName
                | Self::NoSuchSite
                | Self::NotReady
                | Self::Overloaded
                | Self::Raced
                | Self::SiteClosed
                | Self::UnknownVersion
                | Self::UnreadableWebhook
                | Self::Unstorable
        )
    }
}

words! {
    /// What a form had as its e-mail address.
    EmailSent {
        /// No field `email`.
        Missing = "missing",
        /// A field `email[]` or `email[…]`.
        List = "list",
        /// Nothing, or `0`, which PHP takes for nothing.
        Empty = "empty",
        /// An address with blanks or invisible characters around it.
        Padded = "padded",
        /// No address that WordPress accepts.
        Malformed = "malformed",
        /// An address that WordPress has no room for.
        TooLong = "too_long",
        /// An address that WordPress accepts.
        Valid = "valid",
    }
}

words! {
    /// Which kind of member a request was for: new members have a smaller share of the capacity than existing ones.
    Lane {
        /// An existing member.
        Known = "known",
        /// A new member.
        New = "new",
        /// No member: the call was not executed.
        None = "none",
    }
}

words! {
    /// How an attempt to send a mail ended.
    MailAttempt {
        /// The server accepted it.
        Sent = "sent",
        /// It is no longer wanted.
        Skipped = "skipped",
        /// It will be retried later.
        Later = "later",
        /// It was given up.
        Dead = "dead",
    }
}

words! {
    /// What a call in shadow mode was found to be.
    Verdict {
        /// PHP left what the sidecar would have left.
        Equal = "equal",
        /// The same, and rows of others beside.
        Beside = "beside",
        /// It differs as documented.
        Agreed = "agreed",
        /// It differs, but calls for the same member ran at the same time.
        Overlapped = "overlapped",
        /// It differs.
        Unexplained = "unexplained",
        /// There was nothing to compare, or no time to.
        Uncompared = "uncompared",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_tell_apart(words: &[&str]) {
        for (index, word) in words.iter().enumerate() {
            assert!(!words[..index].contains(word), "{word} stands for two");
            let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            assert!(!word.is_empty() && word.bytes().all(is_plain), "{word}");
        }
    }

    /// The macro ensures that `ALL` is complete.
    #[test]
    fn no_word_stands_for_two_things() {
        let outcomes: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.word()).collect();
        assert_eq!(outcomes.len(), 32);
        assert_tell_apart(&outcomes);
        let lanes: Vec<_> = Lane::ALL.iter().map(|lane| lane.word()).collect();
        assert_tell_apart(&lanes);
        let emails: Vec<_> = EmailSent::ALL.iter().map(|sent| sent.word()).collect();
        assert_tell_apart(&emails);
        let attempts: Vec<_> = MailAttempt::ALL.iter().map(|end| end.word()).collect();
        assert_tell_apart(&attempts);
        let verdicts: Vec<_> = Verdict::ALL.iter().map(|one| one.word()).collect();
        assert_tell_apart(&verdicts);
    }
}
