//! The SMTP server in `smtp.url`: what the options say of it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use lettre::transport::smtp::authentication::Credentials;
use rustls::pki_types::pem;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::hello::Hello;
use super::tls::{self, Tls};
use crate::config::{self, SmtpTls};

/// The configured mail server.
pub struct Smtp {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) tls: Tls,
    pub(super) is_verified: bool,
    pub(super) credentials: Option<Credentials>,
    /// `smtp.hello_name`, which overrules the site's.
    pub(super) hello: Option<Hello>,
    /// `smtp.timeout_seconds`.
    pub(super) timeout: Duration,
}

/// When TLS begins.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Encryption {
    /// With the connection.
    AtOnce,
    /// After STARTTLS, and nothing is sent without.
    Required,
    /// After STARTTLS, if the server offers it.
    IfOffered,
    /// Never.
    Never,
}

/// Why the connection to the mail server cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    /// `smtp.url` is not a URL.
    #[error("smtp.url cannot be read")]
    Url(#[source] url::ParseError),
    /// `smtp.url` has no host.
    #[error("smtp.url names no host")]
    NoHost,
    /// `smtp.ca_file` is missing or not readable.
    #[error("smtp.ca_file {} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// `smtp.ca_file` is not a PEM certificate.
    #[error("smtp.ca_file {} holds no PEM certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// The system has no trusted certificates, or one in `smtp.ca_file` is damaged.
    #[error("TLS for smtp.url cannot start")]
    Tls(#[source] rustls::Error),
}

impl Smtp {
    /// Prepares the transport; does not connect yet.
    ///
    /// # Errors
    /// See [`SmtpError`].
    pub fn new(url: &SecretString, smtp: &config::Smtp) -> Result<Self, SmtpError> {
        let url = Url::parse(url.expose_secret()).map_err(SmtpError::Url)?;
        let host = url.host_str().ok_or(SmtpError::NoHost)?;
        // In a URL an IPv6 host has brackets, as a host name it has none.
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let authorities = match smtp.ca_file.clone() {
            None => Vec::new(),
            Some(path) => match std::fs::read(&path) {
                Ok(file) => tls::certificates(&file)
                    .map_err(|source| SmtpError::NoCertificate { path, source })?,
                Err(source) => return Err(SmtpError::Unreadable { path, source }),
            },
        };
        let is_verified = match smtp.tls {
            SmtpTls::Auto => smtp.ca_file.is_some() || !is_this_machine(&host),
            SmtpTls::Required => true,
            SmtpTls::Unverified | SmtpTls::None => false,
        };
        let tls = if is_verified {
            Tls::verified(authorities)
        } else {
            Tls::unverified()
        };
        let tls = tls.map_err(SmtpError::Tls)?;
        let has_login = !url.username().is_empty();
        let (at_most, port) = match url.scheme() {
            "smtps" => (Encryption::AtOnce, 465),
            "smtp+starttls" => (Encryption::Required, 587),
            _ => (Encryption::IfOffered, 25),
        };
        let encryption = match (at_most, smtp.tls) {
            (_, SmtpTls::None) => Encryption::Never,
            // Whoever can drop the offer of STARTTLS must not get the login for it.
            (Encryption::IfOffered, SmtpTls::Auto) if !has_login => Encryption::IfOffered,
            (Encryption::IfOffered, _) => Encryption::Required,
            (at_most, _) => at_most,
        };
        let decoded = |text: &str| {
            percent_encoding::percent_decode_str(text)
                .decode_utf8_lossy()
                .into_owned()
        };
        let password = || decoded(url.password().unwrap_or_default());
        Ok(Self {
            host,
            port: url.port().unwrap_or(port),
            encryption,
            tls,
            is_verified,
            credentials: has_login.then(|| Credentials::new(decoded(url.username()), password())),
            hello: smtp.hello_name.as_ref().map(Hello::new),
            timeout: smtp.timeout,
        })
    }

    /// Whether the way to the server does not leave this machine.
    pub fn is_here(&self) -> bool {
        is_this_machine(&self.host)
    }
}

/// Whether a host is this machine, by its name only.
fn is_this_machine(host: &str) -> bool {
    match config::host_name(host) {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_machine() {
        for host in ["127.0.0.1", "127.8.9.1", "::1", "localhost", "LOCALHOST"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "192.0.2.1",
            "2001:db8::1",
            "mail.example.org",
            "localhost.example.org",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
