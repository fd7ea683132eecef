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

/// Subject and body, before `message` makes lines of them. Holds a reset key, hence no `Debug`.
pub struct Text {
    /// One line, not encoded.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// The URLs in a mail.
pub(super) struct Links {
    /// `siteurl`.
    pub(super) site: String,
    pub(super) set_password: String,
    pub(super) login: String,
}

/// The pages that links in mails lead to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    /// Where a new user sets a password.
    pub set_password: String,
    /// The login page.
    pub login: String,
}

impl Pages {
    /// With https if the site's address has it, or if `https` says so.
    pub fn new(options: &MailOptions, https: bool) -> Self {
        let address = Address { options, https };
        if let Some(page) = options.login_page() {
            let page = match &options.login_url {
                Some(given) => given.clone(),
                None => address.of(&page),
            };
            return Self {
                set_password: page.clone(),
                login: page,
            };
        }
        Self {
            set_password: format!("{}/wp-login.php", address.network()),
            login: format!("{}/wp-login.php", address.site()),
        }
    }
}

/// Addresses with the scheme that links have.
struct Address<'a> {
    options: &'a MailOptions,
    https: bool,
}

impl Address<'_> {
    /// `siteurl` without trailing slashes; with https if it already has it, if the call came over https, or if
    /// configured.
    fn site(&self) -> String {
        self.of(self.options.site_url.trim_end_matches('/'))
    }

    /// The same for a network's main site, where its users set their passwords. Mirrors `network_site_url`, whose
    /// scheme is the site's.
    fn network(&self) -> String {
        let Some(Network { domain, path, .. }) = &self.options.network else {
            return self.site();
        };
        let scheme = self.scheme(&self.options.site_url);
        format!("{scheme}://{domain}{}", path.trim_end_matches('/'))
    }

    fn of(&self, address: &str) -> String {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        format!("{}://{rest}", self.scheme(address))
    }

    fn scheme(&self, address: &str) -> &'static str {
        let scheme = address
            .split_once("://")
            .map_or("http", |(scheme, _)| scheme);
        if self.https || scheme.eq_ignore_ascii_case("https") {
            "https"
        } else {
            "http"
        }
    }
}

impl Welcome<'_> {
    pub(super) fn links(&self) -> Links {
        let (options, https) = (self.options, self.https);
        let pages = Pages::new(options, https);
        Links {
            site: Address { options, https }.site(),
            set_password: link(self, &pages.set_password),
            login: pages.login,
        }
    }
}

fn link(welcome: &Welcome<'_>, page: &str) -> String {
    let login = utf8_percent_encode(welcome.login, RAW_URL);
    let key = welcome.key.expose_secret();
    let sign = if page.contains('?') { '&' } else { '?' };
    if welcome.version.puts_login_first_in_reset_link() {
        format!("{page}{sign}login={login}&key={key}&action=rp")
    } else {
        format!("{page}{sign}action=rp&key={key}&login={login}")
    }
}
