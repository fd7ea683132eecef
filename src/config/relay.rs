//! `[relay]`: whether events about writes are relayed to WordPress, through the must-use plugin in `deploy/mu-plugin`.
//! Mirrors nothing in PHP.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &[
    "relay.enabled",
    "relay.url",
    "relay.secret",
    "relay.secret_file",
    "relay.timeout_seconds",
    "relay.give_up_days",
    "relay.retention_days",
];

/// Shorter secrets could be guessed.
const SHORTEST_SECRET: usize = 16;

/// Resolved `[relay]` options.
#[derive(Debug, Clone)]
pub struct Relay {
    /// Whether calls write events.
    pub enabled: bool,
    /// Shared with the must-use plugin, which also signs with it what it passes on from wp-admin.
    pub secret: Option<SecretString>,
    /// How WordPress is woken; `None` leaves that to WP-Cron.
    pub wake: Option<Wake>,
    /// Days after which an event that is not fired is given up; at least 1.
    pub give_up_days: u32,
    /// Days after which a finished event is deleted; at least 1.
    pub retention_days: u32,
}

/// Where WordPress is woken, and how it authenticates the request.
#[derive(Debug, Clone)]
pub struct Wake {
    /// The site's address.
    pub url: Url,
    /// Shared with the plugin.
    pub secret: SecretString,
    /// How long WordPress may take to respond.
    pub timeout: Duration,
}

fn address(text: &str) -> Result<Url, Flaw> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| {
            Flaw::new(
                "is not a web address",
                "write the site's address, e.g. \"https://community.example.com/\"",
            )
        })
}

impl Relay {
    pub(super) fn read(settings: &mut Settings) -> Result<Self, Reported> {
        let enabled = settings.flag("relay.enabled");
        let url = settings.optional_parsed("relay.url", address);
        let secret = settings.secret("relay.secret");
        let timeout = settings.number("relay.timeout_seconds", 1..=600);
        let give_up_days = settings.number("relay.give_up_days", 1..=36_500);
        let retention_days = settings.number("relay.retention_days", 1..=36_500);
        let (enabled, url, secret) = (enabled?, url?, secret?);
        let has_password = |url: &Url| !url.username().is_empty() || url.password().is_some();
        if url.as_ref().is_some_and(has_password) {
            let what = "holds a user or a password, which would be shown in messages";
            let remedy = "let the web server admit /wp-json/ and ?rest_route= without one";
            return Err(settings.note(Problem::new("relay.url", what, remedy)));
        }
        let too_short =
            |secret: &SecretString| secret.expose_secret().trim().len() < SHORTEST_SECRET;
        if secret.as_ref().is_some_and(too_short) {
            let what = format!("has fewer than {SHORTEST_SECRET} characters");
            let remedy = "generate one, e.g. with \"openssl rand -hex 32\"";
            return Err(settings.note(Problem::new("relay.secret", what, remedy)));
        }
        let timeout = Duration::from_secs(timeout?);
        let wake = match (url, &secret) {
            (Some(url), Some(secret)) => Some(Wake {
                url,
                secret: secret.clone(),
                timeout,
            }),
            (Some(_), None) if enabled => {
                let remedy = "set it, or relay.secret_file, to the value of FCOM_SIDECAR_SECRET in wp-config.php";
                let what = "is not set, although relay.url is";
                return Err(settings.note(Problem::new("relay.secret", what, remedy)));
            }
            _ => None,
        };
        Ok(Self {
            enabled,
            secret,
            wake,
            give_up_days: give_up_days?,
            retention_days: retention_days?,
        })
    }
}
