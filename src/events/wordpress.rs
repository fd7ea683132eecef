//! The plugin's two routes, asked over HTTP: one wakes it, one tells what is installed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{StatusCode, redirect};
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::signature;

/// The plugin's routes begin like this, in WordPress's own notation, which needs no permalinks.
const ROUTE: &str = "/fcom-sidecar/v1/";
/// More than any honest answer.
const LONGEST_ANSWER: usize = 1 << 20;

/// The site, as the plugin answers for it.
#[derive(Clone, Debug)]
pub struct WordPress {
    client: reqwest::Client,
    url: Url,
    secret: SecretString,
}

/// What a run of the plugin did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Ran {
    /// Events that ended well.
    pub done: u64,
    /// Events whose listener failed.
    pub failed: u64,
    /// Whether it stopped because its time was up, not because there was nothing left.
    pub more: bool,
}

/// What is installed there.
#[derive(Clone, Debug, Deserialize)]
pub struct Installed {
    /// The plugin's version.
    pub plugin: String,
    /// WordPress's version.
    pub wordpress: String,
    /// PHP's version.
    pub php: String,
    /// Beginning of the names of the tables that the plugin looks at.
    pub prefix: String,
    /// Whether FluentCommunity's classes are there.
    pub fluentcommunity: bool,
    /// Who listens to our hooks, WordPress's own functions left out.
    pub listeners: Vec<Listener>,
}

/// Somebody who listens to a hook.
#[derive(Clone, Debug, Deserialize)]
pub struct Listener {
    /// The hook.
    pub hook: String,
    /// The plugin's or theme's folder.
    pub plugin: String,
}

/// Why WordPress did not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum WordPressError {
    /// No answer: away, too slow, or not to be trusted.
    #[error("the site does not answer at relay.url")]
    Unreachable(#[source] reqwest::Error),
    /// Somebody answers who is not the plugin.
    #[error(
        "the site answers {0}: the plugin is not there. Copy deploy/mu-plugin/fcom-sidecar.php to wp-content/mu-plugins, \
         and see that nothing keeps ?rest_route= from WordPress"
    )]
    NotInstalled(StatusCode),
    /// PHP or the web server failed, or WordPress is being updated.
    #[error("the site answers {0}: it is in maintenance, or its error log tells why")]
    Failed(StatusCode),
    /// A redirect.
    #[error("the site sends us elsewhere ({0}): set relay.url to its final address")]
    Elsewhere(StatusCode),
    /// The plugin refuses the signature.
    #[error(
        "the plugin refuses us: relay.secret and the constant FCOM_SIDECAR_SECRET in wp-config.php differ, or the \
         clocks of the two machines do"
    )]
    Refused,
    /// The plugin has no secret.
    #[error(
        "the plugin knows no secret: define FCOM_SIDECAR_SECRET in wp-config.php with the value of relay.secret"
    )]
    NoSecret,
}

impl WordPressError {
    /// For metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::NotInstalled(_) => "not_installed",
            Self::Failed(_) => "failed",
            Self::Elsewhere(_) => "redirected",
            Self::Refused => "refused",
            Self::NoSecret => "no_secret",
        }
    }
}

impl WordPress {
    /// The site at this address, which has this secret and may take so long for an answer. Does not connect yet.
    ///
    /// # Errors
    /// The system has no certificates to trust.
    pub fn new(url: Url, secret: SecretString, timeout: Duration) -> Result<Self, reqwest::Error> {
        // reqwest asks for a provider of cryptography of the process; the first one stays.
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
        })
    }

    /// Has the plugin look for events; answers when it has found no more, or after about so many seconds: it ends what it
    /// has begun.
    ///
    /// # Errors
    /// See [`WordPressError`].
    pub async fn wake(&self, now: DateTime<Utc>, seconds: u64) -> Result<Ran, WordPressError> {
        self.ask("wake", now, &[("seconds", &seconds.to_string())])
            .await
    }

    /// Asks what is installed.
    ///
    /// # Errors
    /// See [`WordPressError`].
    pub async fn installed(&self, now: DateTime<Utc>) -> Result<Installed, WordPressError> {
        self.ask("status", now, &[]).await
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
                return Err(WordPressError::NotInstalled(status));
            }
        }
        if status.is_redirection() {
            return Err(WordPressError::Elsewhere(status));
        }
        if status.is_server_error() {
            return Err(WordPressError::Failed(status));
        }
        let Ok(answer) = serde_json::from_slice::<serde_json::Value>(&body) else {
            return Err(WordPressError::NotInstalled(status));
        };
        match answer["code"].as_str() {
            Some("fcom_sidecar_refused") => return Err(WordPressError::Refused),
            Some("fcom_sidecar_no_secret") => return Err(WordPressError::NoSecret),
            _ => {}
        }
        serde_json::from_value(answer).map_err(|_| WordPressError::NotInstalled(status))
    }
}

/// The address stays out of messages: reqwest would quote it with its query.
fn unreachable(error: reqwest::Error) -> WordPressError {
    WordPressError::Unreachable(error.without_url())
}
