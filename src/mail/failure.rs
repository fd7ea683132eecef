//! Why the mail server did not take a mail, and whose failure that is: the server's own concerns every mail, so it must not be
//! counted against one.

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
    /// The connection ended with a mail on it, which may have arrived.
    Lost,
    /// The server will never take this mail.
    Never,
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
    /// The settings allow no mail to be written.
    Settings,
}

impl Failure {
    /// Takes addresses out of the words, except for these: servers quote the recipient's.
    pub(super) fn hide_addresses(&mut self, but: &[&str]) {
        let is_end = |c: char| c.is_whitespace() || "<>()[]{}:;,\"=".contains(c);
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
        matches!(self, Self::Unavailable | Self::Refused(_) | Self::Busy)
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
            Self::Refused(Refusal::Settings) => "no mail can be written with these settings",
            Self::Busy => "the mail server takes no more mails at the moment",
            Self::NotNow => "the mail server does not take this mail now",
            Self::Lost => "the connection to the mail server ended with a mail on it",
            Self::Never => "the mail server does not take this mail",
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
            ("no mailbox here", "no mailbox here"),
        ] {
            let mut failure = Failure {
                words: words.to_owned(),
                kind: FailureKind::Never,
            };
            failure.hide_addresses(&["club@shop.example"]);
            assert_eq!(failure.words, hidden);
        }
    }
}
