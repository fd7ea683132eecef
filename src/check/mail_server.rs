//! Checks whether the mail server is reachable, has a trusted certificate and accepts our login. No mail is sent.

use secrecy::ExposeSecret;
use url::{Host, Url};

use super::report::Finding;
use crate::config::{Config, Transport};
use crate::mail::{Hello, Smtp};
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
    match smtp.greet(hello).await {
        Ok(true) => Finding::ok(
            MAIL_SERVER,
            "answers, its certificate is valid, and it takes the login if there is one",
        ),
        Ok(false) if is_elsewhere(url.expose_secret()) => Finding::warning(
            MAIL_SERVER,
            "answers in the clear: whoever can listen on the way learns the login, and the links that set passwords",
            "use smtp+starttls:// or smtps:// in smtp.url, or a mail server on this machine",
        ),
        Ok(false) => Finding::ok(
            MAIL_SERVER,
            "answers in the clear, on this machine, and takes the login if there is one",
        ),
        Err(failure) => Finding::warning(
            MAIL_SERVER,
            format!("{}; until then mails wait in the outbox", failure.words),
            format!("{}; then: fcom-sidecar mail test --to …", trial_mail::remedy(&failure)),
        ),
    }
}

/// Whether the way to the server leaves this machine.
fn is_elsewhere(url: &str) -> bool {
    let url = Url::parse(url).ok();
    // The scheme is not one of the web's, so addresses are not parsed as such.
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    !match Host::parse(host) {
        Ok(Host::Ipv4(address)) => address.is_loopback(),
        Ok(Host::Ipv6(address)) => address.is_loopback(),
        Ok(Host::Domain(name)) => name == "localhost",
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_elsewhere;

    #[test]
    fn only_this_machine_is_not_elsewhere() {
        for host in [
            "127.0.0.1",
            "127.8.9.1:25",
            "[::1]:25",
            "localhost",
            "LOCALHOST:25",
        ] {
            assert!(!is_elsewhere(&format!("smtp://u:p@{host}")), "{host}");
        }
        for host in [
            "192.0.2.1",
            "[2001:db8::1]",
            "mail.example.org",
            "localhost.example.org",
        ] {
            assert!(is_elsewhere(&format!("smtp://u:p@{host}")), "{host}");
        }
    }
}
