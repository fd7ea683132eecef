//! The input and output of composing a welcome mail. Its addresses mirror those that `network_site_url` and `site_url`
//! make in `wp_new_user_notification`, WordPress 5.9 to 7.1, for single sites and networks.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};

use super::settings::{MailOptions, Network};
use crate::wordpress::version::Version;

/// `rawurlencode`: escapes everything but letters, digits and these.
const RAW_URL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The recipient of a welcome mail and the site it comes from.
pub struct Welcome<'a> {
    /// The running release.
    pub version: Version,
    /// The site's options.
    pub options: &'a MailOptions,
    /// `user_login`.
    pub login: &'a str,
    /// `display_name`.
    pub display_name: &'a str,
    /// The user's locale; `None` for the site's.
    pub locale: Option<&'a str>,
    /// The password reset key in the mail's link.
    pub key: &'a SecretString,
    /// Whether links use https although `siteurl` does not.
    pub https: bool,
}

/// Subject and body, with CR LF line endings. Holds a reset key, hence no `Debug`.
pub struct Text {
    /// One line, not encoded.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// The URLs in a mail.
pub(super) struct Links {
    pub(super) set_password: String,
    pub(super) login: String,
}

impl Welcome<'_> {
    pub(super) fn links(&self) -> Links {
        Links {
            set_password: link(self, &self.network_address()),
            login: format!("{}/wp-login.php", self.address()),
        }
    }

    /// `siteurl` without trailing slashes; with https if it already has it, if the call came over https, or if
    /// configured.
    fn address(&self) -> String {
        let (scheme, rest) = self.site_url();
        format!("{scheme}://{rest}")
    }

    /// The same for a network's main site, where its users set their passwords. Mirrors `network_site_url`, whose
    /// scheme is the site's.
    fn network_address(&self) -> String {
        let (scheme, rest) = self.site_url();
        match &self.options.network {
            Some(Network { domain, path, .. }) => {
                format!("{scheme}://{domain}{}", path.trim_end_matches('/'))
            }
            None => format!("{scheme}://{rest}"),
        }
    }

    fn site_url(&self) -> (&'static str, &str) {
        let address = self.options.site_url.trim_end_matches('/');
        let (scheme, rest) = address.split_once("://").unwrap_or(("http", address));
        let https = self.https || scheme.eq_ignore_ascii_case("https");
        (if https { "https" } else { "http" }, rest)
    }
}

fn link(welcome: &Welcome<'_>, address: &str) -> String {
    let login = utf8_percent_encode(welcome.login, RAW_URL);
    let key = welcome.key.expose_secret();
    if welcome.version.puts_login_first_in_reset_link() {
        format!("{address}/wp-login.php?login={login}&key={key}&action=rp")
    } else {
        format!("{address}/wp-login.php?action=rp&key={key}&login={login}")
    }
}
