//! The address of the portal. Mirrors `Helper::getPortalSlug`, `Helper::baseUrl` and `home_url`.

use crate::wordpress::php::{self, Value, loose};

/// What `wp-config.php` says over the options.
#[derive(Clone, Debug, Default)]
pub struct PortalOverrides {
    /// `FLUENT_COMMUNITY_PORTAL_SLUG`.
    pub slug: Option<String>,
    /// `WP_HOME`.
    pub home: Option<String>,
}

/// The portal's base address, with one slash at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal(String);

impl Portal {
    /// From the options `home` and `fluent_community_settings`.
    pub fn new(overrides: &PortalOverrides, home: &[u8], settings: &[u8]) -> Self {
        let of_option = || String::from_utf8_lossy(home).into_owned();
        let home = overrides.home.clone().unwrap_or_else(of_option);
        let slug = overrides.slug.clone();
        let slug = slug.unwrap_or_else(|| slug_in(settings));
        let (home, slug) = (home.trim_end_matches('/'), slug.trim_matches('/'));
        Self(if slug.is_empty() {
            format!("{home}/")
        } else {
            format!("{home}/{slug}/")
        })
    }

    /// The address that callers of a webhook use; it holds the key.
    pub fn webhook_url(&self, key: &[u8]) -> String {
        // Keys of the plugin are hexadecimal; what else stands there must not end the parameter.
        let key = percent_encoding::percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        format!("{}?fcom_action=incoming_webhook&webhook={key}", self.0)
    }
}

fn slug_in(settings: &[u8]) -> String {
    let settings = php::parse(loose::trim(settings)).ok();
    let slug = settings.as_ref().and_then(Value::as_array);
    match slug.and_then(|settings| settings.get("slug")) {
        Some(Value::String(slug)) => String::from_utf8_lossy(slug).into_owned(),
        Some(Value::Int(slug)) => slug.to_string(),
        _ => "portal".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_follows_constant_setting_and_default() {
        let settings = br#"a:1:{s:4:"slug";s:3:"a/b";}"#;
        let root = br#"a:1:{s:4:"slug";s:0:"";}"#;
        let constant = |slug: &str| PortalOverrides {
            slug: Some(slug.to_owned()),
            home: None,
        };
        let other_home = PortalOverrides {
            slug: None,
            home: Some("https://other.example/sub/".to_owned()),
        };
        let none = PortalOverrides::default();
        for (overrides, settings, url) in [
            (&none, &b""[..], "https://example.org/portal/"),
            (&none, settings, "https://example.org/a/b/"),
            (&none, root, "https://example.org/"),
            (&constant(""), settings, "https://example.org/"),
            (&constant("c"), settings, "https://example.org/c/"),
            (&other_home, settings, "https://other.example/sub/a/b/"),
        ] {
            let portal = Portal::new(overrides, b"https://example.org", settings);
            let expected = format!("{url}?fcom_action=incoming_webhook&webhook=abc123");
            assert_eq!(portal.webhook_url(b"abc123"), expected);
        }
    }
}
