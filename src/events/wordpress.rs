//! An HTTP client for the plugin's two routes: one wakes it, the other reports what is installed.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{StatusCode, redirect};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::signature;

/// Prefix of the plugin's routes, in WordPress's own notation, which needs no permalinks.
const ROUTE: &str = "/fcom-sidecar/v1/";
/// The plugin of this release.
const PLUGIN: &str = include_str!("../../deploy/mu-plugin/fcom-sidecar.php");
/// Larger than any legitimate response.
const LONGEST_ANSWER: usize = 1 << 20;
/// How the line of the plugin's file begins that says which edition it is.
const EDITION: &str = "const EDITION = ";
/// How the plugin's answers begin, to find them in what the site prints around them.
const BEGINNINGS: [&[u8]; 3] = [
    br#"{"done":"#,
    br#"{"plugin":"#,
    br#"{"code":"fcom_sidecar_"#,
];
/// For so long a connection may take to come about, unless an answer has to come sooner.
const LONGEST_CONNECT: Duration = Duration::from_secs(10);

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
    /// The edition of the code that PHP runs, see [`plugin_digest`]; of an older release that of its file, or empty.
    #[serde(default)]
    pub digest: String,
    /// The edition of the plugin's file, which PHP may not have read yet.
    #[serde(default)]
    pub file: String,
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
    /// Where the site prints something before or after the answer: file and line, or empty if the plugin does not see it.
    pub printed: Option<String>,
}

impl Installed {
    /// Whether the plugin is the one that belongs to this daemon. Its code counts, not what it calls itself.
    pub fn is_ours(&self) -> bool {
        self.digest == plugin_digest() && self.has_our_file()
    }

    /// Whether the plugin's file is that of this daemon, whatever PHP runs.
    pub fn has_our_file(&self) -> bool {
        self.file == plugin_digest()
    }
}

/// The edition of this release's plugin: SHA-256 of its file without the line that says so, in hexadecimal.
pub fn plugin_digest() -> String {
    let lines = PLUGIN.split_inclusive('\n');
    let mut digest = Sha256::new();
    for line in lines.filter(|line| !line.starts_with(EDITION)) {
        digest.update(line);
    }
    hex::encode(digest.finalize())
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
    /// No answer: the site is down, or not trusted.
    #[error("the site does not answer at relay.url")]
    Unreachable(#[source] reqwest::Error),
    /// The site was woken, and has not answered in time.
    #[error(
        "the site has not answered within relay.timeout_seconds, or within the web server's own limit: a listener of a plugin \
         takes longer, or PHP has no process free. \"fcom-sidecar relay status\" shows which hook is being fired, if any"
    )]
    TooSlow,
    /// The plugin's answer was lost in what else the site prints, or a listener ended it.
    #[error(
        "the site answers {0}, but the plugin's answer cannot be read: something on the site prints before or after it, or ends \
         it early"
    )]
    Unreadable(StatusCode),
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
            Self::TooSlow => "too_slow",
            Self::Unreadable(_) => "unreadable",
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
            // Ends first, so that a connection that does not come about is told from an answer that does not.
            .connect_timeout(LONGEST_CONNECT.min(timeout * 9 / 10))
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
        let seconds = seconds.to_string();
        match self.ask("wake", now, &[("seconds", &seconds)]).await {
            Ok((ran, _)) => Ok(ran),
            Err(WordPressError::Unreachable(error))
                if error.is_timeout() && !error.is_connect() =>
            {
                Err(WordPressError::TooSlow)
            }
            Err(WordPressError::Failed(StatusCode::GATEWAY_TIMEOUT)) => {
                Err(WordPressError::TooSlow)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks the plugin what is installed.
    ///
    /// # Errors
    /// See [`WordPressError`].
    pub async fn installed(&self, now: DateTime<Utc>) -> Result<Installed, WordPressError> {
        let (mut installed, is_alone): (Installed, bool) = self.ask("status", now, &[]).await?;
        if !is_alone {
            installed.printed.get_or_insert_default();
        }
        Ok(installed)
    }

    fn not_installed(&self, status: StatusCode) -> WordPressError {
        WordPressError::NotInstalled(status, self.must_use_plugins.clone())
    }

    /// The plugin's answer, and whether nothing else came with it.
    async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        purpose: &str,
        now: DateTime<Utc>,
        parameters: &[(&str, &str)],
    ) -> Result<(T, bool), WordPressError> {
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
        let (answer, is_alone) = match serde_json::from_slice(&body) {
            Ok(answer) => (answer, true),
            Err(_) if status == StatusCode::OK => match beginning(&body) {
                Some(at) => (within(&body[at..], status)?, false),
                None if body.is_empty() => return Err(WordPressError::Unreadable(status)),
                None => return Err(self.not_installed(status)),
            },
            Err(_) => return Err(self.not_installed(status)),
        };
        match answer["code"].as_str() {
            Some("fcom_sidecar_refused") => return Err(WordPressError::Refused),
            Some("fcom_sidecar_no_secret") => return Err(WordPressError::NoSecret),
            _ => {}
        }
        let answer = serde_json::from_value(answer);
        answer
            .map(|answer| (answer, is_alone))
            .map_err(|_| self.not_installed(status))
    }
}

/// Where the plugin's last answer begins in this body: an earlier one may have left while a listener emptied PHP's buffers.
fn beginning(body: &[u8]) -> Option<usize> {
    let last = BEGINNINGS.map(|words| body.windows(words.len()).rposition(|found| found == words));
    last.into_iter().flatten().max()
}

/// The answer at the beginning of these bytes.
fn within(bytes: &[u8], status: StatusCode) -> Result<Value, WordPressError> {
    let mut answers = serde_json::Deserializer::from_slice(bytes).into_iter();
    let answer = answers.next().and_then(Result::ok);
    answer.ok_or(WordPressError::Unreadable(status))
}

/// Drops the URL from the error: reqwest would quote it with its query.
fn unreachable(error: reqwest::Error) -> WordPressError {
    WordPressError::Unreachable(error.without_url())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugins_answer_is_found_in_what_the_site_prints_around_it() {
        for (body, done) in [
            ("\u{feff}{\"done\":3,\"failed\":0}", Some(3)),
            (
                "<br />\n<b>Notice</b>: {x} in a.php{\"done\":2}<!-- {} -->",
                Some(2),
            ),
            ("{\"done\":0}{\"done\":5}", Some(5)),
            ("{\"done\":", None),
            ("<html>{\"do\":1}", None),
            ("", None),
        ] {
            let found = beginning(body.as_bytes())
                .and_then(|at| within(&body.as_bytes()[at..], StatusCode::OK).ok());
            assert_eq!(
                found.map(|found| found["done"].clone()),
                done.map(Value::from),
                "{body}"
            );
        }
    }

    #[test]
    fn the_plugin_says_which_edition_it_is() {
        let said = format!("\n{EDITION}'{}';\n", plugin_digest());
        assert!(PLUGIN.contains(&said), "run \"make docs\": {said}");
    }
}
