//! An HTTP client for the plugin's two routes: one wakes it, the other reports what is installed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{StatusCode, redirect};
use secrecy::SecretString;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use super::signature;

/// Prefix of the plugin's routes, in WordPress's own notation, which needs no permalinks.
const ROUTE: &str = "/fcom-sidecar/v1/";
/// The plugin of this release.
const PLUGIN: &str = include_str!("../../deploy/mu-plugin/fcom-sidecar.php");
/// Larger than any legitimate response.
const LONGEST_ANSWER: usize = 1 << 20;

/// The site's plugin.
#[derive(Clone, Debug)]
pub struct WordPress {
    client: reqwest::Client,
    url: Url,
    secret: SecretString,
    must_use_plugins: String,
}

/// The result of one run of the plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Ran {
    /// Events that completed.
    pub done: u64,
    /// Events with a failed listener.
    pub failed: u64,
    /// Whether it stopped because its time was up and more events are left.
    pub more: bool,
}

/// What is installed on the site.
#[derive(Clone, Debug, Deserialize)]
pub struct Installed {
    /// The plugin's version.
    pub plugin: String,
    /// SHA-256 of the plugin's file, in hexadecimal; empty from one that does not tell.
    #[serde(default)]
    pub digest: String,
    /// WordPress's version.
    pub wordpress: String,
    /// PHP's version.
    pub php: String,
    /// Prefix of the tables that the plugin uses.
    pub prefix: String,
    /// Whether FluentCommunity's classes are loaded.
    pub fluentcommunity: bool,
    /// Listeners on our hooks, without WordPress's own functions.
    pub listeners: Vec<Listener>,
}

impl Installed {
    /// Whether the plugin is the one that belongs to this daemon. Its file counts, not what it calls itself.
    pub fn is_ours(&self) -> bool {
        self.digest == plugin_digest()
    }
}

/// SHA-256 of the file of this release's plugin, in hexadecimal.
pub fn plugin_digest() -> String {
    hex::encode(Sha256::digest(PLUGIN))
}

/// A listener on a hook.
#[derive(Clone, Debug, Deserialize)]
pub struct Listener {
    /// The hook.
    pub hook: String,
    /// The plugin's or theme's folder.
    pub plugin: String,
}

/// Why a request to WordPress failed.
#[derive(Debug, thiserror::Error)]
pub enum WordPressError {
    /// No answer: the site is down, too slow, or not trusted.
    #[error("the site does not answer at relay.url")]
    Unreachable(#[source] reqwest::Error),
    /// The answer does not come from the plugin.
    #[error(
        "the site answers {0}: the plugin is not there. Copy deploy/mu-plugin/fcom-sidecar.php to {1}, and see that nothing \
         keeps ?rest_route= from WordPress"
    )]
    NotInstalled(StatusCode, String),
    /// PHP or the web server failed, or WordPress is being updated.
    #[error("the site answers {0}: it is in maintenance, or its error log tells why")]
    Failed(StatusCode),
    /// A redirect.
    #[error("the site sends us elsewhere ({0}): set relay.url to its final address")]
    Elsewhere(StatusCode),
    /// The plugin rejects the signature.
    #[error(
        "the plugin refuses us: relay.secret and the constant FCOM_SIDECAR_SECRET in wp-config.php differ, or the \
         clocks of the two machines do"
    )]
    Refused,
    /// The plugin has no secret configured.
    #[error(
        "the plugin knows no secret: define FCOM_SIDECAR_SECRET in wp-config.php with the value of relay.secret"
    )]
    NoSecret,
}

impl WordPressError {
    /// The label for metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::NotInstalled(..) => "not_installed",
            Self::Failed(_) => "failed",
            Self::Elsewhere(_) => "redirected",
            Self::Refused => "refused",
            Self::NoSecret => "no_secret",
        }
    }
}

impl WordPress {
    /// A client for the site at this address, with this secret and timeout; `must_use_plugins` is where the plugin belongs,
    /// for people to read. Does not connect yet.
    ///
    /// # Errors
    /// The system has no trusted certificates.
    pub fn new(
        url: Url,
        secret: SecretString,
        timeout: Duration,
        must_use_plugins: &str,
    ) -> Result<Self, reqwest::Error> {
        // reqwest uses the process-wide crypto provider; the first one installed stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("fcom-sidecar/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(timeout)
            .build()?;
        Ok(Self {
            client,
            url,
            secret,
            must_use_plugins: must_use_plugins.to_owned(),
        })
    }

    /// Makes the plugin process events. Returns when it finds no more, or after about this many seconds: it finishes
    /// the event it has begun.
    ///
    /// # Errors
    /// See [`WordPressError`].
    pub async fn wake(&self, now: DateTime<Utc>, seconds: u64) -> Result<Ran, WordPressError> {
        self.ask("wake", now, &[("seconds", &seconds.to_string())])
            .await
    }

    /// Asks the plugin what is installed.
    ///
    /// # Errors
    /// See [`WordPressError`].
    pub async fn installed(&self, now: DateTime<Utc>) -> Result<Installed, WordPressError> {
        self.ask("status", now, &[]).await
    }

    fn not_installed(&self, status: StatusCode) -> WordPressError {
        WordPressError::NotInstalled(status, self.must_use_plugins.clone())
    }

    async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        purpose: &str,
        now: DateTime<Utc>,
        parameters: &[(&str, &str)],
    ) -> Result<T, WordPressError> {
        let mut url = self.url.clone();
        let route = format!("{ROUTE}{purpose}");
        url.query_pairs_mut()
            .append_pair("rest_route", &route)
            .extend_pairs(parameters);
        let (time, signature) = signature::sign(&self.secret, now, purpose);
        let request = self
            .client
            .post(url)
            .header("X-Fcom-Sidecar-Time", time)
            .header("X-Fcom-Sidecar-Signature", signature)
            .header("Content-Length", "0");
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                return Err(self.not_installed(status));
            }
        }
        if status.is_redirection() {
            return Err(WordPressError::Elsewhere(status));
        }
        if status.is_server_error() {
            return Err(WordPressError::Failed(status));
        }
        let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&body) else {
            return Err(self.not_installed(status));
        };
        match answer["code"].as_str() {
            Some("fcom_sidecar_refused") => return Err(WordPressError::Refused),
            Some("fcom_sidecar_no_secret") => return Err(WordPressError::NoSecret),
            _ => {}
        }
        serde_json::from_value(answer).map_err(|_| self.not_installed(status))
    }
}

/// Drops the URL from the error: reqwest would quote it with its query.
fn unreachable(error: reqwest::Error) -> WordPressError {
    WordPressError::Unreachable(error.without_url())
}
