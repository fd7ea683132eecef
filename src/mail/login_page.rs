//! Where the login page is on sites that have moved it. The plugins below replace `wp-login.php` in every address that
//! WordPress makes, those of its mails included; each keeps the new page's name in an option.

use std::collections::BTreeMap;

use crate::wordpress::php::{self, Array, Key, Value, loose};

/// Plugins that move the login page: main file, and the option with its name.
const MOVERS: [(&str, &str); 3] = [
    ("wps-hide-login/wps-hide-login.php", "whl_page"),
    ("rename-wp-login/rename-wp-login.php", "rwl_page"),
    (
        "all-in-one-wp-security-and-firewall/wp-security.php",
        "aio_wp_security_configs",
    ),
];

/// The options that tell, by name; those of the network as `network/NAME`.
#[derive(Clone, Debug, Default)]
pub(super) struct LoginOptions(BTreeMap<String, Vec<u8>>);

impl LoginOptions {
    /// Takes an option, whichever it is.
    pub(super) fn take(&mut self, name: &[u8], value: Vec<u8>) {
        let name = String::from_utf8_lossy(name).into_owned();
        self.0.insert(name, value);
    }

    /// The login page's address below the site's address `home`; `None` if it is `wp-login.php`.
    pub(super) fn page(&self, home: &str) -> Option<String> {
        let (_, option) = MOVERS.into_iter().find(|(file, _)| self.is_active(file))?;
        let name = match option {
            "aio_wp_security_configs" => self.renamed()?,
            option => self.name_in(option),
        };
        let home = home.trim_end_matches('/');
        let permalinks = self.text("permalink_structure").unwrap_or_default();
        Some(match permalinks.as_str() {
            "" => format!("{home}/?{name}"),
            _ if permalinks.ends_with('/') => format!("{home}/{name}/"),
            _ => format!("{home}/{name}"),
        })
    }

    /// The site's name for the page, or the network's, or the plugins' default.
    fn name_in(&self, option: &str) -> String {
        let of_network = format!("network/{option}");
        let mut names = [option, &of_network].into_iter();
        let found = names.find_map(|name| self.text(name).filter(|name| !name.is_empty()));
        found.unwrap_or_else(|| "login".to_owned())
    }

    /// The name that All In One WP Security has given to the page.
    fn renamed(&self) -> Option<String> {
        let settings = self.array("aio_wp_security_configs")?;
        let text = |key| settings.get(key).and_then(Value::as_bytes);
        let name = text("aiowps_login_page_slug").filter(|name| !name.is_empty())?;
        (text("aiowps_enable_rename_login_page") == Some(b"1"))
            .then(|| String::from_utf8_lossy(name).into_owned())
    }

    fn is_active(&self, file: &str) -> bool {
        let of_site = self.array("active_plugins").unwrap_or_default();
        let of_network = self.array("network/active_sitewide_plugins");
        let file = file.as_bytes();
        let is_file = |value: &Value| value.as_bytes() == Some(file);
        of_site.values().any(is_file)
            || of_network
                .unwrap_or_default()
                .iter()
                .any(|(key, _)| matches!(key, Key::String(name) if **name == *file))
    }

    fn text(&self, name: &str) -> Option<String> {
        let value = self.0.get(name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    fn array(&self, name: &str) -> Option<Array> {
        let value = self.0.get(name)?;
        php::parse(loose::trim(value)).ok()?.into_array().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(options: &[(&str, &str)]) -> Option<String> {
        let mut all = LoginOptions::default();
        for (name, value) in options {
            all.take(name.as_bytes(), value.as_bytes().to_vec());
        }
        all.page("https://example.org/sub/")
    }

    const HIDDEN: (&str, &str) = (
        "active_plugins",
        r#"a:1:{i:0;s:33:"wps-hide-login/wps-hide-login.php";}"#,
    );
    const PRETTY: (&str, &str) = ("permalink_structure", "/%postname%/");

    #[test]
    fn the_page_is_where_an_active_plugin_has_moved_it() {
        let door = ("whl_page", "members-door");
        let at = |path: &str| Some(format!("https://example.org/sub{path}"));
        assert_eq!(page(&[PRETTY, door]), None);
        assert_eq!(page(&[HIDDEN, PRETTY, door]), at("/members-door/"));
        assert_eq!(page(&[HIDDEN, door]), at("/?members-door"));
        let plain = ("permalink_structure", "/%postname%");
        assert_eq!(page(&[HIDDEN, plain, door]), at("/members-door"));
        assert_eq!(page(&[HIDDEN, PRETTY]), at("/login/"));
        let of_network = ("network/whl_page", "all");
        assert_eq!(page(&[HIDDEN, PRETTY, of_network]), at("/all/"));
        let sitewide = (
            "network/active_sitewide_plugins",
            r#"a:1:{s:35:"rename-wp-login/rename-wp-login.php";i:1;}"#,
        );
        assert_eq!(page(&[sitewide, PRETTY, ("rwl_page", "r")]), at("/r/"));
    }

    #[test]
    fn a_security_plugin_moves_it_only_if_told_to() {
        let active = (
            "active_plugins",
            r#"a:1:{i:3;s:51:"all-in-one-wp-security-and-firewall/wp-security.php";}"#,
        );
        for (enabled, expected) in [("1", Some("https://example.org/sub/in/")), ("", None)] {
            let settings = format!(
                r#"a:2:{{s:31:"aiowps_enable_rename_login_page";s:{}:"{enabled}";s:22:"aiowps_login_page_slug";s:2:"in";}}"#,
                enabled.len()
            );
            let found = page(&[active, PRETTY, ("aio_wp_security_configs", &settings)]);
            assert_eq!(found.as_deref(), expected);
        }
    }
}
