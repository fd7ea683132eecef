//! How things end, each with its one word: the log, the metrics, the spans and the run records all take it from here.

/// An enum of which each variant has a word, and which knows all of its variants.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$of_variant:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$of_variant])* $variant,)+
        }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its word: lower case, with underscores.
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
        /// Executed: there is a new user.
        Created = "created",
        /// Executed for a user who was there.
        Found = "found",
        /// Executed earlier, with the same `Idempotency-Key`; answered as it was then.
        Repeated = "repeated",
        /// The caller's address is not one that the webhook's protection allows.
        AddressNotAllowed = "address_not_allowed",
        /// Other calls for the same user or login took too long.
        Busy = "busy",
        /// The database was lost while it committed: executed or not.
        CommitUnknown = "commit_unknown",
        /// A statement failed for another reason.
        DatabaseError = "database_error",
        /// The database is away, full or read-only.
        DatabaseUnavailable = "database_unavailable",
        /// A bug, or a password that could not be hashed.
        Failed = "failed",
        /// The `Idempotency-Key` stands for a call with other fields.
        IdempotencyConflict = "idempotency_conflict",
        /// No address, or none that WordPress accepts.
        InvalidEmail = "invalid_email",
        /// Broken or of another type than form data.
        InvalidRequest = "invalid_request",
        /// Other transactions were in the way, too often.
        LockConflict = "lock_conflict",
        /// Every name that was tried is taken.
        NoFreeName = "no_free_name",
        /// The network has no such site.
        NoSuchSite = "no_such_site",
        /// No webhook action, or no key.
        NotACall = "not_a_call",
        /// The database has not been found fit to be written to.
        NotReady = "not_ready",
        /// The webhook's protection wants a signature, and it is missing or wrong.
        NotSigned = "not_signed",
        /// More calls than there is room for.
        Overloaded = "overloaded",
        /// Another call created or deleted the user in between, too often.
        Raced = "raced",
        /// More calls or wrong keys than the client or the webhook may have.
        RateLimited = "rate_limited",
        /// The process is ending.
        ShuttingDown = "shutting_down",
        /// The network's site is archived, deleted or marked as spam.
        SiteClosed = "site_closed",
        /// The body is larger than it may be.
        TooLarge = "too_large",
        /// The WordPress version is unknown.
        UnknownVersion = "unknown_version",
        /// No webhook has this key.
        UnknownWebhook = "unknown_webhook",
        /// The webhook's record is corrupt.
        UnreadableWebhook = "unreadable_webhook",
        /// A column cannot hold what the call says.
        Unstorable = "unstorable",
        /// Not POST.
        WrongMethod = "wrong_method",
    }
}

words! {
    /// Which kind of member a request was for: new members have less room than existing ones.
    Lane {
        /// A member who exists.
        Known = "known",
        /// A new one.
        New = "new",
        /// No member: it was not executed.
        None = "none",
    }
}

words! {
    /// How an attempt at a mail ended.
    MailAttempt {
        /// The server took it.
        Sent = "sent",
        /// It is not wanted any more.
        Skipped = "skipped",
        /// It is tried again later.
        Later = "later",
        /// It is given up.
        Dead = "dead",
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

    /// That nothing is missing in `ALL`, the macro sees to.
    #[test]
    fn no_word_stands_for_two_things() {
        let outcomes: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.word()).collect();
        assert_eq!(outcomes.len(), 29);
        assert_tell_apart(&outcomes);
        let lanes: Vec<_> = Lane::ALL.iter().map(|lane| lane.word()).collect();
        assert_tell_apart(&lanes);
        let attempts: Vec<_> = MailAttempt::ALL.iter().map(|end| end.word()).collect();
        assert_tell_apart(&attempts);
    }
}
