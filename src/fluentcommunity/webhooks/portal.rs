//! Builds the portal's address. Mirrors `Helper::getPortalSlug`, `Helper::baseUrl`, `home_url` and one rule of
//! `get_option`: an empty `home` falls back to `siteurl`.

use url::Url;

use crate::wordpress::php::{self, Value, loose};

/// What overrides the options: the configuration's addresses, and constants in `wp-config.php`.
#[derive(Clone, Debug, Default)]
pub struct PortalOverrides {
    /// `FLUENT_COMMUNITY_PORTAL_SLUG`.
    pub slug: Option<String>,
    /// `wordpress.home` or `WP_HOME`.
    pub home: Option<String>,
    /// `wordpress.site_url` or `WP_SITEURL`.
    pub site_url: Option<String>,
}

/// The stored options that determine the portal's address; empty if the row is missing.
#[derive(Clone, Debug, Default)]
pub struct PortalOptions {
    /// `home`.
    pub home: Vec<u8>,
    /// `siteurl`.
    pub site_url: Vec<u8>,
    /// `fluent_community_settings`, serialised.
    pub settings: Vec<u8>,
}

/// A site's portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portal {
    /// The site's address.
    home: String,
    /// Without surrounding slashes; empty if the portal is the front page.
    slug: String,
}

impl Portal {
    /// Uses the site's options, where the overrides leave them.
    pub fn new(overrides: &PortalOverrides, options: &PortalOptions) -> Self {
        let address = |given: &Option<String>, option: &[u8]| {
            let of_option = || String::from_utf8_lossy(option).into_owned();
            let address = given.clone().unwrap_or_else(of_option);
            Some(address).filter(|address| !address.is_empty())
        };
        let home = address(&overrides.home, &options.home)
            .or_else(|| address(&overrides.site_url, &options.site_url))
            .unwrap_or_default();
        let slug = overrides.slug.clone();
        let slug = slug.unwrap_or_else(|| slug_in(&options.settings));
        Self {
            home,
            slug: slug.trim_matches('/').to_owned(),
        }
    }

    /// The address that a webhook's callers use; it contains the key.
    pub fn webhook_url(&self, key: &[u8]) -> String {
        let (home, slug) = (self.home.trim_end_matches('/'), &self.slug);
        // The plugin's keys are hexadecimal; any other stored key must not end the parameter.
        let key = percent_encoding::percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        let slash = if slug.is_empty() { "" } else { "/" };
        format!("{home}/{slug}{slash}?fcom_action=incoming_webhook&webhook={key}")
    }

    /// The portal's base address, with one trailing slash.
    ///
    /// # Errors
    /// The site's address as stored, if it is not a URL of the web.
    pub fn url(&self) -> Result<Url, &str> {
        let home = self.home.trim_end_matches('/');
        let url = Url::parse(home).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
        let mut url = url.ok_or(self.home.as_str())?;
        let path = [url.path().trim_end_matches('/'), &self.slug].join("/");
        url.set_path(&format!("{}/", path.trim_end_matches('/')));
        url.set_query(None);
        Ok(url)
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

    const HOME: &str = "https://example.org";

    fn options(home: &str, settings: &str) -> PortalOptions {
        PortalOptions {
            home: home.into(),
            site_url: b"https://example.org/wp".to_vec(),
            settings: settings.into(),
        }
    }

    fn overrides(
        slug: Option<&str>,
        home: Option<&str>,
        site_url: Option<&str>,
    ) -> PortalOverrides {
        PortalOverrides {
            slug: slug.map(ToOwned::to_owned),
            home: home.map(ToOwned::to_owned),
            site_url: site_url.map(ToOwned::to_owned),
        }
    }

    #[track_caller]
    fn assert_is_at(portal: &Portal, url: &str) {
        let expected = format!("{url}?fcom_action=incoming_webhook&webhook=abc123");
        assert_eq!(portal.webhook_url(b"abc123"), expected);
        assert_eq!(portal.url().unwrap().as_str(), url);
    }

    #[test]
    fn the_address_follows_constant_setting_and_default() {
        let settings = r#"a:1:{s:4:"slug";s:3:"a/b";}"#;
        let root = r#"a:1:{s:4:"slug";s:0:"";}"#;
        let other_home = overrides(None, Some("https://other.example/sub/"), None);
        let other_site = overrides(None, None, Some("https://other.example/core"));
        let none = PortalOverrides::default();
        for (overrides, home, settings, url) in [
            (&none, HOME, "", "https://example.org/portal/"),
            (&none, HOME, settings, "https://example.org/a/b/"),
            (&none, HOME, root, "https://example.org/"),
            (
                &overrides(Some(""), None, None),
                HOME,
                settings,
                "https://example.org/",
            ),
            (
                &overrides(Some("c"), None, None),
                HOME,
                settings,
                "https://example.org/c/",
            ),
            (
                &other_home,
                HOME,
                settings,
                "https://other.example/sub/a/b/",
            ),
            (&other_home, "", "", "https://other.example/sub/portal/"),
            (&other_site, HOME, "", "https://example.org/portal/"),
            (&other_site, "", "", "https://other.example/core/portal/"),
            (&none, "", "", "https://example.org/wp/portal/"),
        ] {
            let portal = Portal::new(overrides, &options(home, settings));
            assert_is_at(&portal, url);
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for home in [
            "example",
            "javascript:alert(1)",
            "javascript://example.org/",
            "file:///",
        ] {
            let portal = Portal::new(&PortalOverrides::default(), &options(home, ""));
            assert_eq!(portal.url(), Err(home));
        }
    }
}
