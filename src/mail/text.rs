//! What a welcome mail says. Mirrors `wp_new_user_notification` for the user and the addresses that `network_site_url` and
//! `wp_mail` make, WordPress 5.9 to 7.1, for single sites and networks.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{MailOptions, Network, Templates};
use crate::wordpress::catalogue::Catalogues;
use crate::wordpress::special_chars::{Quotes, decode};
use crate::wordpress::version::Version;

/// `rawurlencode`: everything but letters, digits and these.
const RAW_URL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Whom a welcome mail is for, and where it comes from.
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
    /// The reset key of the mail's link.
    pub key: &'a SecretString,
    /// Whether links are https although `siteurl` is not.
    pub https: bool,
}

/// Subject and body, lines ended by CR LF. Holds a reset key, hence no `Debug`.
pub struct Text {
    /// One line, not encoded.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// Writes the mail: the operator's templates where there are some, else WordPress's text in the user's language.
///
/// # Errors
/// A template cannot be rendered.
pub fn compose(
    welcome: &Welcome<'_>,
    catalogues: &Catalogues,
    templates: &Templates,
) -> Result<Text, minijinja::Error> {
    let locale = welcome.locale.unwrap_or(welcome.options.locale());
    let catalogue = catalogues.of(locale);
    let site_name = decode(&welcome.options.blogname, Quotes::Decoded);
    let address = welcome.address();
    let links = Links {
        set_password: link(welcome, &welcome.network_address()),
        login: format!("{address}/wp-login.php"),
    };
    if let Some(text) = templates.render(welcome, &site_name, locale, &links)? {
        return Ok(text);
    }
    let subject = catalogue
        .translate("[%s] Login Details")
        .replacen("%s", &site_name, 1);
    let mut body = String::new();
    if welcome.version.mails_user_name() {
        body += &catalogue
            .translate("Username: %s")
            .replacen("%s", welcome.login, 1);
        body += "\r\n\r\n";
    }
    body += catalogue.translate("To set your password, visit the following address:");
    body += "\r\n\r\n";
    body += &links.set_password;
    body += "\r\n";
    if welcome.version.mails_login_url() {
        body += "\r\n";
        body += &links.login;
        body += "\r\n";
    }
    Ok(Text {
        subject: decode(&subject, Quotes::Kept),
        body,
    })
}

/// The addresses in a mail.
pub(super) struct Links {
    pub(super) set_password: String,
    pub(super) login: String,
}

impl Welcome<'_> {
    /// `siteurl` without trailing slashes, https if it is that already, if the call came over https, or if configured.
    fn address(&self) -> String {
        let (scheme, rest) = self.site_url();
        format!("{scheme}://{rest}")
    }

    /// The same of a network's main site, where its users set their passwords. Mirrors `network_site_url`, whose scheme is
    /// the site's.
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

/// The address that `wp_mail` sends from: `wordpress@` and the host of `home`, a leading `www.` removed, an international
/// name in its ASCII form. `None` if `home` has no host.
pub(super) fn default_from(home: &str) -> Option<String> {
    let url = Url::parse(home).ok()?;
    let host = url.host_str()?;
    Some(format!(
        "wordpress@{}",
        host.strip_prefix("www.").unwrap_or(host)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(version: &str, site_url: &str, https: bool) -> Text {
        let options = MailOptions {
            site_url: site_url.into(),
            blogname: "Bob &amp; &quot;Co&quot; &hellip;".into(),
            ..MailOptions::default()
        };
        let key = SecretString::from("KEY");
        let welcome = Welcome {
            version: version.parse().unwrap(),
            options: &options,
            login: "jane doe@x",
            display_name: "Jane",
            locale: None,
            key: &key,
            https,
        };
        compose(
            &welcome,
            &Catalogues::none(),
            &Templates::read(None).unwrap(),
        )
        .unwrap()
    }

    #[test]
    fn each_release_has_its_own_body() {
        let intro = "To set your password, visit the following address:\r\n\r\n";
        let old = format!(
            "Username: jane doe@x\r\n\r\n{intro}http://h:8080/wp/wp-login.php?action=rp&key=KEY&login=jane%20doe%40x\r\n\
             \r\nhttp://h:8080/wp/wp-login.php\r\n"
        );
        let link = "https://h/wp-login.php?login=jane%20doe%40x&key=KEY&action=rp\r\n";
        let middle =
            format!("Username: jane doe@x\r\n\r\n{intro}{link}\r\nhttps://h/wp-login.php\r\n");
        assert_eq!(text("6.6", "http://h:8080/wp/", false).body, old);
        assert_eq!(text("6.9", "https://h", false).body, middle);
        assert_eq!(
            text("7.0", "http://h", true).body,
            format!("Username: jane doe@x\r\n\r\n{intro}{link}")
        );
        assert_eq!(
            text("7.1", "https://h", false).body,
            format!("{intro}{link}")
        );
    }

    #[test]
    fn on_a_network_the_password_is_set_on_the_main_site() {
        let options = MailOptions {
            site_url: "https://h/two".into(),
            network: Some(Network {
                id: 1,
                domain: "h:8080".into(),
                path: "/wp/".into(),
            }),
            ..MailOptions::default()
        };
        let key = SecretString::from("KEY");
        let welcome = Welcome {
            version: "6.7".parse().unwrap(),
            options: &options,
            login: "jane",
            display_name: "Jane",
            locale: None,
            key: &key,
            https: false,
        };
        let body = compose(
            &welcome,
            &Catalogues::none(),
            &Templates::read(None).unwrap(),
        )
        .unwrap()
        .body;
        let link = "https://h:8080/wp/wp-login.php?login=jane&key=KEY&action=rp\r\n";
        assert!(body.contains(link), "{body}");
        assert!(
            body.ends_with("\r\nhttps://h/two/wp-login.php\r\n"),
            "{body}"
        );
    }

    #[test]
    fn the_blog_name_is_decoded() {
        assert_eq!(
            text("7.1", "https://h", false).subject,
            "[Bob & \"Co\" &hellip;] Login Details"
        );
    }

    #[test]
    fn the_sender_is_wordpress_at_the_host_of_home() {
        for (home, from) in [
            ("https://www.example.org/wp", Some("wordpress@example.org")),
            ("http://example.org:8080", Some("wordpress@example.org")),
            (
                "https://bücher.example",
                Some("wordpress@xn--bcher-kva.example"),
            ),
            ("nonsense", None),
        ] {
            assert_eq!(default_from(home).as_deref(), from);
        }
    }
}
