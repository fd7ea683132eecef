//! Checks where the links in welcome mails lead: to the host of the portal, and to a login page that is there.

use url::{Host, Url};

use super::options::Options;
use super::report::Finding;
use crate::config::{Config, Transport};
use crate::db::{Connection, DatabaseError, Statements, TableNames};
use crate::mail::{MailOptions, Pages, Sender};
use crate::wordpress::php::{Value, loose};

pub(super) const MAIL_LINKS: &str = "mail-links";
pub(super) const LOGIN_PAGE: &str = "login-page";

const REMEDY: &str = "set wordpress.home and wordpress.site_url to the site's public addresses, or correct WordPress \
                      Address and Site Address in Settings → General";

/// The options that a mail is made from.
pub(super) async fn options(
    config: &Config,
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<MailOptions, DatabaseError> {
    // All statements are too large for a future.
    let statements = Box::new(Statements::render(tables));
    let mut options = MailOptions::load(connection, &statements, tables.prefix()).await?;
    if let Ok(sender) = Sender::new(&config.mail, &config.wordpress) {
        sender.overlay(&mut options);
    }
    Ok(options)
}

/// `mail` are the options that a mail is made from, `portal` the portal's address.
pub(super) fn check(
    config: &Config,
    mail: Result<MailOptions, DatabaseError>,
    portal: Option<&Url>,
    options: Option<&Options>,
) -> Vec<Finding> {
    if config.mail.transport != Transport::Smtp {
        let why = "the sidecar sends no mails itself";
        return [MAIL_LINKS, LOGIN_PAGE]
            .map(|name| Finding::ok(name, why))
            .into();
    }
    let Ok(mail) = mail else {
        return [MAIL_LINKS, LOGIN_PAGE].map(super::options::skipped).into();
    };
    let Ok(sender) = Sender::new(&config.mail, &config.wordpress) else {
        let why = "the addresses in [mail] are not valid";
        return [MAIL_LINKS, LOGIN_PAGE]
            .map(|name| Finding::skipped(name, why))
            .into();
    };
    let pages = Pages::new(&mail, sender.https_links);
    let is_given = config.mail.login_url.is_some() || config.wordpress.has_given_site_url;
    vec![
        links(&pages, portal, is_given, mail.network.is_some()),
        login_page(config, &pages, options),
    ]
}

fn links(pages: &Pages, portal: Option<&Url>, is_given: bool, is_network: bool) -> Finding {
    for page in [&pages.login, &pages.set_password] {
        let host = Url::parse(page)
            .ok()
            .and_then(|url| url.host().map(|host| host.to_owned()));
        let Some(host) = host else {
            return Finding::failed(MAIL_LINKS, format!("{page:?} is not an address"), REMEDY);
        };
        if let Some(flaw) = flaw(&host) {
            return Finding::failed(
                MAIL_LINKS,
                format!("mails link to {page}, and {host} {flaw}"),
                REMEDY,
            );
        }
        // On a network, users set their passwords at its main site.
        let is_compared = !(is_given || is_network && page != &pages.login);
        let of_portal = portal.and_then(|portal| portal.host().map(|host| host.to_owned()));
        if let Some(of_portal) = of_portal.filter(|other| is_compared && *other != host) {
            return Finding::failed(
                MAIL_LINKS,
                format!("mails link to {page}, but the portal is at {of_portal}"),
                format!("{REMEDY}; if both are right, set wordpress.site_url outright"),
            );
        }
    }
    Finding::ok(MAIL_LINKS, format!("they lead to {}", pages.set_password))
}

/// Why people elsewhere do not reach a host.
fn flaw(host: &Host<String>) -> Option<&'static str> {
    match host {
        Host::Domain(name) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            if name == "localhost" || name.ends_with(".localhost") {
                return Some("is each reader's own machine");
            }
            let is_local = [".local", ".internal", ".lan", ".home.arpa"];
            if !name.contains('.') || is_local.iter().any(|ending| name.ends_with(ending)) {
                return Some("is known in its own network only");
            }
            None
        }
        Host::Ipv4(address) => {
            let [first, second, ..] = address.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            if address.is_loopback() || address.is_unspecified() {
                return Some("is each reader's own machine");
            }
            (address.is_private() || address.is_link_local() || is_shared)
                .then_some("is a private address")
        }
        Host::Ipv6(address) => {
            if address.is_loopback() || address.is_unspecified() {
                return Some("is each reader's own machine");
            }
            (address.is_unique_local() || address.is_unicast_link_local())
                .then_some("is a private address")
        }
    }
}

fn login_page(config: &Config, pages: &Pages, options: Option<&Options>) -> Finding {
    if config.mail.login_url.is_some() {
        return Finding::ok(LOGIN_PAGE, format!("{}, from mail.login_url", pages.login));
    }
    let Some(options) = options else {
        return super::options::skipped(LOGIN_PAGE);
    };
    let movers = movers(options);
    if movers.is_empty() {
        return Finding::ok(LOGIN_PAGE, &pages.login);
    }
    Finding::warning(
        LOGIN_PAGE,
        format!(
            "{} has moved the login page, and mails link to {}",
            movers.join(" and "),
            pages.login
        ),
        "set mail.login_url to the login page's address, or mail.transport to \"wordpress\", whose links the plugin \
         changes itself",
    )
}

/// Active plugins that move the login page in a way that mails do not follow.
fn movers(options: &Options) -> Vec<&'static str> {
    let setting = |option: &str, path: &[&str]| {
        let mut value = Value::Array(options.array(option)?);
        for key in path {
            value = value.as_array()?.get(key)?.clone();
        }
        Some(value)
    };
    let is_set = |option: &str, path: &[&str]| {
        setting(option, path).is_some_and(|value| loose::is_true(&value))
    };
    let mut movers = Vec::new();
    let mut note = |file: &str, name: &'static str, moves: bool| {
        if moves && options.is_active(file) {
            movers.push(name);
        }
    };
    let custom = options.text("sg_security_login_type").as_deref() == Some("custom");
    note("sg-security.php", "SiteGround Security", custom);
    let hides = is_set("itsec-storage", &["hide-backend", "enabled"]);
    note("better-wp-security.php", "Solid Security", hides);
    note("ithemes-security-pro.php", "Solid Security Pro", hides);
    let cerber = is_set("cerber-main", &["loginpath"]);
    note("wp-cerber.php", "WP Cerber", cerber);
    let perfmatters = is_set("perfmatters_options", &["login_url"]);
    note("perfmatters.php", "Perfmatters", perfmatters);
    let enhanced = is_set("admin_site_enhancements", &["change_login_url"]);
    note(
        "admin-site-enhancements.php",
        "Admin and Site Enhancements",
        enhanced,
    );
    note("change-wp-admin-login.php", "Change wp-admin login", true);
    note("theme-my-login.php", "Theme My Login", true);
    note("hide-my-wp.php", "WP Ghost", true);
    movers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(login: &str, set_password: &str, portal: &str, given: bool, network: bool) -> String {
        let pages = Pages {
            login: login.to_owned(),
            set_password: set_password.to_owned(),
        };
        let portal = Url::parse(portal).ok();
        format!("{:?}", links(&pages, portal.as_ref(), given, network))
    }

    #[test]
    fn links_lead_to_the_portals_public_host() {
        let portal = "https://www.example.org/portal/";
        for (page, expected) in [
            ("https://www.example.org/wp/wp-login.php", "Ok"),
            ("https://WWW.example.org:443/wp-login.php", "Ok"),
            ("http://localhost:8080/wp-login.php", "Failed"),
            ("https://wp.localhost/wp-login.php", "Failed"),
            ("http://wordpress/wp-login.php", "Failed"),
            ("http://site.local/wp-login.php", "Failed"),
            ("http://127.0.0.1/wp-login.php", "Failed"),
            ("http://192.168.1.2/wp-login.php", "Failed"),
            ("http://100.64.0.1/wp-login.php", "Failed"),
            ("http://[::1]/wp-login.php", "Failed"),
            ("http://[fd00::1]/wp-login.php", "Failed"),
            ("https://example.org/wp-login.php", "Failed"),
            ("wp-login.php", "Failed"),
        ] {
            let found = status(page, page, portal, false, false);
            assert!(
                found.contains(&format!("status: {expected}")),
                "{page}: {found}"
            );
        }
        let other = "https://main.example.org/wp-login.php";
        let own = "https://www.example.org/wp-login.php";
        assert!(status(other, other, portal, true, false).contains("status: Ok"));
        assert!(status(own, other, portal, false, true).contains("status: Ok"));
        assert!(status(own, other, portal, false, false).contains("status: Failed"));
        let local = "http://localhost/wp-login.php";
        assert!(status(local, local, portal, true, false).contains("status: Failed"));
    }

    #[test]
    fn plugins_that_move_the_login_page_are_named() {
        let active = r#"a:2:{i:0;s:27:"sg-security/sg-security.php";i:1;s:41:"better-wp-security/better-wp-security.php";}"#;
        let hidden = r#"a:1:{s:12:"hide-backend";a:2:{s:7:"enabled";b:1;s:4:"slug";s:4:"door";}}"#;
        let options = |rows: &[(&str, &str)]| {
            let rows = rows
                .iter()
                .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()));
            Options::from_rows("wp_", rows.collect())
        };
        let found = |rows: &[(&str, &str)]| movers(&options(rows));
        assert_eq!(found(&[("active_plugins", active)]), [""; 0]);
        assert_eq!(
            found(&[
                ("active_plugins", active),
                ("sg_security_login_type", "custom"),
                ("itsec-storage", hidden),
                ("cerber-main", r#"a:1:{s:9:"loginpath";s:1:"x";}"#),
            ]),
            ["SiteGround Security", "Solid Security"]
        );
    }
}
