//! `[smtp]`: the server that accepts the daemon's mail. Mirrors nothing in PHP.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::address;
use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &[
    "smtp.url",
    "smtp.url_file",
    "smtp.ca_file",
    "smtp.tls",
    "smtp.hello_name",
    "smtp.timeout_seconds",
];

/// Resolved `[smtp]` options.
#[derive(Debug, Clone)]
pub struct Smtp {
    /// `smtp://`, `smtps://` or `smtp+starttls://` with a host; user and password percent-encoded.
    pub url: Option<SecretString>,
    /// How much TLS is asked for.
    pub tls: SmtpTls,
    /// PEM file of a certificate authority to trust in addition to the system's, or of the server's own certificate.
    pub ca_file: Option<PathBuf>,
    /// What EHLO says; `None` for the host of the site's address.
    pub hello_name: Option<Host>,
    /// How long the server may take until it gets a mail's content.
    pub timeout: Duration,
}

/// How much TLS is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// What the scheme of `smtp.url` says, and always for a login. A certificate must be valid, except on this machine
    /// without `smtp.ca_file`.
    Auto,
    /// Nothing is sent without, and the certificate must be valid.
    Required,
    /// Nothing is sent without, and any certificate will do.
    Unverified,
    /// None, not even for the login.
    None,
}

const REMEDY: &str = "write smtp://user:password@host:587 (or smtps://, smtp+starttls://); \
    reserved characters in the user or the password must be percent-encoded, e.g. @ as %40, / as %2F, # as %23";

fn flaw(url: &str) -> Option<String> {
    let url = match Url::parse(url) {
        Ok(url) => url,
        Err(error) => return Some(format!("is not a URL ({error})")),
    };
    if !matches!(url.scheme(), "smtp" | "smtps" | "smtp+starttls") {
        return Some("has a scheme other than smtp, smtps and smtp+starttls".to_owned());
    }
    // An unencoded # or ? in the password ends the URL early and leaves the rest in the query or fragment.
    if url.host_str().is_none_or(str::is_empty) || url.fragment().is_some() {
        return Some("names no host".to_owned());
    }
    None
}

fn hello_name(text: &str) -> Result<Host, Flaw> {
    address::host_name(text).ok_or_else(|| {
        let remedy = "write a full host name, e.g. \"www.example.org\", or an IP address";
        Flaw::new("is not the name of a host", remedy)
    })
}

/// What other options say against this one.
fn contradiction(tls: SmtpTls, scheme: Option<&str>, has_authority: bool) -> Option<Flaw> {
    let scheme = scheme.map(str::to_ascii_lowercase);
    if tls == SmtpTls::None && scheme.is_some_and(|scheme| scheme != "smtp") {
        let what = "is \"none\", but smtp.url asks for TLS";
        return Some(Flaw::new(what, "write smtp:// there, or remove smtp.tls"));
    }
    if has_authority && matches!(tls, SmtpTls::None | SmtpTls::Unverified) {
        let what = "lets no certificate be checked, but smtp.ca_file says whose is valid";
        return Some(Flaw::new(what, "remove one of the two"));
    }
    None
}

impl Smtp {
    /// The password in the URL, decoded.
    pub fn password(&self) -> Option<SecretString> {
        let url = Url::parse(self.url.as_ref()?.expose_secret()).ok()?;
        let password = percent_encoding::percent_decode_str(url.password()?);
        Some(password.decode_utf8_lossy().into_owned().into())
    }

    pub(super) fn read(settings: &mut Settings) -> Result<Self, Reported> {
        let ca_file = settings.optional("smtp.ca_file");
        let levels = [
            ("auto", SmtpTls::Auto),
            ("required", SmtpTls::Required),
            ("unverified", SmtpTls::Unverified),
            ("none", SmtpTls::None),
        ];
        let tls = settings.one_of("smtp.tls", &levels);
        let hello_name = settings.optional_parsed("smtp.hello_name", hello_name);
        let timeout = settings.number("smtp.timeout_seconds", 1..=200);
        let url = settings.secret("smtp.url")?;
        if let Some(what) = url.as_ref().and_then(|url| flaw(url.expose_secret())) {
            return Err(settings.note(Problem::new("smtp.url", what, REMEDY)));
        }
        let (tls, ca_file) = (tls?, ca_file?);
        let scheme = url
            .as_ref()
            .and_then(|url| Some(url.expose_secret().split_once(':')?.0));
        if let Some(flaw) = contradiction(tls, scheme, ca_file.is_some()) {
            return Err(settings.note(Problem::new("smtp.tls", flaw.what, flaw.remedy)));
        }
        Ok(Self {
            url,
            tls,
            ca_file: ca_file.map(PathBuf::from),
            hello_name: hello_name?,
            timeout: Duration::from_secs(timeout?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_do_not_contradict_each_other() {
        use SmtpTls::{Auto, None as NoTls, Required, Unverified};
        for (tls, scheme, has_authority, is_fine) in [
            (NoTls, Some("smtp"), false, true),
            (NoTls, Some("SMTPS"), false, false),
            (NoTls, Some("smtp+starttls"), false, false),
            (NoTls, None, true, false),
            (Unverified, Some("smtps"), false, true),
            (Unverified, Some("smtps"), true, false),
            (Required, Some("smtp"), true, true),
            (Auto, Some("smtp"), true, true),
        ] {
            let found = contradiction(tls, scheme, has_authority);
            assert_eq!(
                found.is_none(),
                is_fine,
                "{tls:?} {scheme:?} {has_authority}"
            );
        }
    }

    #[test]
    fn smtp_urls_need_a_known_scheme_and_a_host() {
        for url in [
            "smtp://user:p%40ss@mail.example:587",
            "smtps://mail.example",
            "smtp+starttls://[::1]:2525",
            "smtp://127.0.0.1:1025?tls=opportunistic",
        ] {
            assert_eq!(flaw(url), None, "{url}");
        }
        for (url, what) in [
            ("mail.example:587", "scheme"),
            ("http://mail.example", "scheme"),
            ("smtp:///", "no host"),
            ("smtp://user:12#34@mail.example", "no host"),
            ("smtp://user:p/w@mail.example", "not a URL"),
            ("mail.example", "not a URL"),
        ] {
            assert!(flaw(url).unwrap().contains(what), "{url}: {:?}", flaw(url));
        }
    }
}
