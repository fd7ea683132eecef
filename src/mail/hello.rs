//! The name that mail servers are greeted with.

use lettre::transport::smtp::extension::ClientId;
use url::{Host, Url};

use super::settings::MailOptions;
use crate::config;

/// What EHLO says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello(ClientId);

/// `PHPMailer`'s name for a host without a proper one.
impl Default for Hello {
    fn default() -> Self {
        Self(ClientId::Domain("localhost.localdomain".to_owned()))
    }
}

impl Hello {
    /// An IP address becomes the literal that RFC 5321, 4.1.3, asks for.
    pub(super) fn new(host: &Host) -> Self {
        Self(match host {
            Host::Domain(name) => ClientId::Domain(name.clone()),
            Host::Ipv4(address) => ClientId::Ipv4(*address),
            Host::Ipv6(address) => ClientId::Ipv6(*address),
        })
    }

    /// The host of the site's address, an international name in its ASCII form. Mirrors `PHPMailer::serverHostname` (7.1),
    /// which takes the name by which the site was called; but servers refuse names without a dot, such as `localhost`.
    pub fn of_site(options: &MailOptions) -> Self {
        let url = Url::parse(options.address()).ok();
        let host = url.as_ref().and_then(Url::host_str);
        let host = host.and_then(config::host_name);
        let full = host.filter(|host| !matches!(host, Host::Domain(name) if !name.contains('.')));
        full.as_ref().map_or_else(Self::default, Self::new)
    }

    pub(super) fn id(&self) -> &ClientId {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_host_of_the_site() {
        for (home, hello) in [
            ("https://www.Example.org/wp", "www.example.org"),
            ("http://example.org:8080", "example.org"),
            ("https://example.org.", "example.org"),
            ("https://bücher.example", "xn--bcher-kva.example"),
            ("http://192.0.2.7:8080", "[192.0.2.7]"),
            ("http://[2001:db8::7]/", "[IPv6:2001:db8::7]"),
            ("http://localhost:8080", "localhost.localdomain"),
            ("http://club", "localhost.localdomain"),
            ("http://my_site.example", "localhost.localdomain"),
            ("nonsense", "localhost.localdomain"),
        ] {
            let options = MailOptions {
                home: home.to_owned(),
                ..MailOptions::default()
            };
            assert_eq!(Hello::of_site(&options).id().to_string(), hello, "{home}");
        }
    }
}
