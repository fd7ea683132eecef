//! Checks whether the mail server is reachable, has a trusted certificate and accepts our login. No mail is sent.

use super::report::Finding;
use crate::config::{Config, Transport};
use crate::mail::{FailureKind, Hello, Privacy, Smtp};
use crate::operations::trial_mail;
use crate::telemetry;

pub(super) const MAIL_SERVER: &str = "mail-server";

pub(super) async fn check(config: &Config, hello: &Hello) -> Finding {
    let url = match &config.smtp.url {
        Some(url) if config.mail.transport == Transport::Smtp => url,
        _ => return Finding::skipped(MAIL_SERVER, "no mail is sent through smtp.url"),
    };
    let smtp = match Smtp::new(url, &config.smtp) {
        Ok(smtp) => smtp,
        Err(error) => {
            let found = telemetry::chain(&error);
            return Finding::failed(MAIL_SERVER, found, "correct smtp.url or smtp.ca_file");
        }
    };
    match (smtp.greet(hello).await, smtp.is_here()) {
        (Ok(Privacy::Verified), _) => Finding::ok(
            MAIL_SERVER,
            "answers, its certificate is valid, and it takes the login if there is one",
        ),
        (Ok(Privacy::Unverified), true) => Finding::ok(
            MAIL_SERVER,
            "answers encrypted, on this machine, where its certificate is not checked, and takes the login if there is one",
        ),
        (Ok(Privacy::Clear), true) => Finding::ok(
            MAIL_SERVER,
            "answers in the clear, on this machine, and takes the login if there is one",
        ),
        (Ok(Privacy::Unverified), false) => Finding::warning(
            MAIL_SERVER,
            "answers, but smtp.tls = \"unverified\" takes any certificate: whoever can answer in its place learns the login, and \
             the links that set passwords",
            "name its authority's certificate, or its own, in smtp.ca_file, and remove smtp.tls",
        ),
        (Ok(Privacy::Clear), false) => Finding::warning(
            MAIL_SERVER,
            "answers in the clear: whoever can listen on the way learns the login, and the links that set passwords",
            "use smtp+starttls:// or smtps:// in smtp.url, without smtp.tls = \"none\", or a mail server on this machine",
        ),
        (Err(failure), _) => {
            let lasts = match failure.kind {
                FailureKind::Refused(_) => ", and that does not change by itself",
                _ => "",
            };
            let words = &failure.words;
            Finding::warning(
                MAIL_SERVER,
                format!("{words}{lasts}; until then mails wait in the outbox"),
                format!(
                    "{}; then: fcom-sidecar mail test --to …",
                    trial_mail::remedy(&failure)
                ),
            )
        }
    }
}
