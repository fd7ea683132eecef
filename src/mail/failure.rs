//! Why the mail server did not take a mail, and whose failure that is: the server's own concerns every mail, so it must not be
//! counted against one, unless that may have arrived.

use std::fmt;

/// Why a mail was not sent, or why there is no connection to send it on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The server's reply, or the error on the way.
    pub words: String,
    /// What it means.
    pub kind: FailureKind,
}

/// What a failure means for this mail and for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Before any mail was offered, and may pass by itself: no connection, no answer, or a reply that says "later".
    Unavailable,
    /// Before any mail was offered, and will be the same until somebody changes something.
    Refused(Refusal),
    /// The server takes no more mails for now (421).
    Busy,
    /// The server does not take this mail now.
    NotNow,
    /// The same, and that is for the recipient's sake, as it says.
    Recipient,
    /// The connection ended with a mail on it, which may have arrived.
    Lost,
    /// The same with one mail after another.
    Unconfirmed,
    /// The server will never take this mail, and what it replied; nothing if the mail cannot be written.
    Never(Option<Reply>),
}

/// A reply that takes no mail, as far as it is the same for several recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    /// Subject and detail of the enhanced status, RFC 3463.
    status: Option<(u16, u16)>,
}

/// What will be the same until somebody changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server refuses the connection, or the name in EHLO.
    Hello,
    /// The server offers no TLS.
    NoTls,
    /// Its certificate is not trusted, or TLS fails otherwise.
    Tls,
    /// The server refuses the login.
    Login,
    /// The server offers no login that the daemon knows.
    NoLogin,
    /// The server refuses STARTTLS.
    StartTls,
    /// The server refuses one recipient after another in the same way.
    Everybody,
    /// The settings allow no mail to be written.
    Settings,
}

impl Reply {
    /// `text` is what follows the code.
    pub(super) fn new(code: u16, text: &str) -> Self {
        let status = text.split_ascii_whitespace().next();
        let status = status.and_then(|status| {
            let (class, rest) = status.split_once('.')?;
            let (subject, detail) = rest.split_once('.')?;
            let is_of_code = class.parse() == Ok(code / 100);
            is_of_code.then_some((subject.parse().ok()?, detail.parse().ok()?))
        });
        Self { code, status }
    }

    /// Whether the server says that it is for the recipient's address or mailbox (RFC 3463, 3.2 and 3.3; 7 and 8 are the
    /// sender's address).
    pub(super) fn is_of_recipient(self) -> bool {
        matches!(self.status, Some((1, detail)) if !matches!(detail, 7 | 8))
            || matches!(self.status, Some((2, _)))
    }
}

impl Failure {
    /// Takes addresses out of the words, except for these: servers quote the recipient's.
    pub(super) fn hide_addresses(&mut self, but: &[&str]) {
        // Other signs may stand in an address.
        let is_end = |c: char| c.is_whitespace() || "<>()[]:;,\"".contains(c);
        let hide = |part: &str| {
            let word = part.trim_end_matches(is_end);
            let bare = word.trim_end_matches('.');
            let is_hidden =
                bare.contains('@') && !but.iter().any(|one| one.eq_ignore_ascii_case(bare));
            if is_hidden {
                part.replacen(bare, "\u{2026}", 1)
            } else {
                part.to_owned()
            }
        };
        self.words = self.words.split_inclusive(is_end).map(hide).collect();
    }
}

impl FailureKind {
    /// Whether it concerns every mail.
    pub fn is_servers(self) -> bool {
        matches!(
            self,
            Self::Unavailable | Self::Refused(_) | Self::Busy | Self::Unconfirmed
        )
    }
}

/// Without the server's words, which belong into no log.
impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unavailable => "the mail server cannot be reached, or does not answer",
            Self::Refused(Refusal::Hello) => "the mail server refuses this daemon's greeting",
            Self::Refused(Refusal::NoTls) => "the mail server offers no STARTTLS",
            Self::Refused(Refusal::Tls) => {
                "there is no TLS with the mail server that can be trusted"
            }
            Self::Refused(Refusal::Login) => "the mail server refuses the login",
            Self::Refused(Refusal::NoLogin) => {
                "the mail server offers neither AUTH PLAIN nor AUTH LOGIN"
            }
            Self::Refused(Refusal::StartTls) => "the mail server refuses STARTTLS, which it offers",
            Self::Refused(Refusal::Everybody) => {
                "the mail server refuses one recipient after another"
            }
            Self::Refused(Refusal::Settings) => "no mail can be written with these settings",
            Self::Busy => "the mail server takes no more mails at the moment",
            Self::NotNow => "the mail server does not take this mail now",
            Self::Recipient => "the mail server does not take mails for this recipient now",
            Self::Lost => "the connection to the mail server ended with a mail on it",
            Self::Unconfirmed => "the mail server confirms none of the mails that it gets",
            Self::Never(_) => "the mail server does not take this mail",
        })
    }
}

impl Refusal {
    /// What an operator has to change.
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Hello => {
                "set smtp.hello_name to a full host name that the server accepts in EHLO, or have it accept this machine"
            }
            Self::NoTls => {
                "let the server offer STARTTLS, or set smtp.tls to \"none\", which sends everything in the clear, the login, too"
            }
            Self::Tls => {
                "let smtp.url name the host that the certificate is for, and smtp.ca_file the authority that signed it, or the \
                 server's own certificate; smtp.tls = \"unverified\" takes any"
            }
            Self::Login => {
                "check user and password in smtp.url; reserved characters must be percent-encoded"
            }
            Self::NoLogin => {
                "let the server offer AUTH PLAIN or LOGIN on this port, or, if it needs no login, remove user and password from smtp.url"
            }
            Self::StartTls => {
                "the server's log says why, often a missing certificate; until that is mended, smtp.tls = \"none\" sends everything in \
                 the clear, the login, too"
            }
            Self::Everybody => {
                "let smtp.url be a server that relays for this machine or for its login, and mail.from, or mail.envelope_from, a \
                 sender that it accepts"
            }
            Self::Settings => "set mail.from, and wordpress.version or wordpress.root",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_out_of_the_words() {
        for (words, hidden) in [
            (
                "permanent error (550): 5.1.1 <jane.o'hara@example.com>: no such user",
                "permanent error (550): 5.1.1 <\u{2026}>: no such user",
            ),
            (
                "RCPT TO:<a@b.example> refused, write to Postmaster@c.example.",
                "RCPT TO:<\u{2026}> refused, write to \u{2026}.",
            ),
            (
                "sender Club@Shop.example rejected",
                "sender Club@Shop.example rejected",
            ),
            (
                "550 5.1.1 <jane=doe@example.com>, <{x}@a.example>: unknown, for=ann@b.example",
                "550 5.1.1 <\u{2026}>, <\u{2026}>: unknown, \u{2026}",
            ),
            ("no mailbox here", "no mailbox here"),
        ] {
            let mut failure = Failure {
                words: words.to_owned(),
                kind: FailureKind::Never(None),
            };
            failure.hide_addresses(&["club@shop.example"]);
            assert_eq!(failure.words, hidden);
        }
    }

    #[test]
    fn a_reply_says_whether_it_is_for_the_recipients_sake() {
        for (text, is_of_recipient) in [
            ("5.1.1 <a@b.example>: no such user", true),
            ("5.1.10 null MX", true),
            ("5.2.1 mailbox disabled", true),
            ("5.7.1 Relaying denied", false),
            ("5.1.8 the sender's domain does not exist", false),
            ("relay not permitted", false),
            ("5.1 x", false),
            ("", false),
        ] {
            let reply = Reply::new(550, text);
            assert_eq!(reply.is_of_recipient(), is_of_recipient, "{text}");
        }
        assert_eq!(
            Reply::new(554, "5.7.1 <a@b>"),
            Reply::new(554, "5.7.1 <c@d>")
        );
        assert!(Reply::new(450, "4.1.2 <a@b>: Domain not found").is_of_recipient());
        assert!(!Reply::new(450, "5.1.2 <a@b>: Domain not found").is_of_recipient());
    }
}
