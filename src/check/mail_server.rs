//! Checks whether the mail server is reachable, has a trusted certificate and accepts our login. No mail is sent.

use super::report::Finding;
use crate::config::{Config, Transport};
use crate::mail::Smtp;
use crate::telemetry;

pub(super) const MAIL_SERVER: &str = "mail-server";

pub(super) async fn check(config: &Config) -> Finding {
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
    match smtp.greet().await {
        Ok(encrypted) => Finding::ok(
            MAIL_SERVER,
            if encrypted {
                "answers, its certificate is valid, and it takes the login if there is one"
            } else {
                "answers in the clear, and takes the login if there is one"
            },
        ),
        Err(failure) => Finding::warning(
            MAIL_SERVER,
            format!("{}; until then mails wait in the outbox", failure.words),
            "correct smtp.url (or smtp.ca_file for a certificate of your own), then: fcom-sidecar mail test --to …",
        ),
    }
}
