//! `[shadow]`: whether PHP executes the calls and the sidecar only compares. Mirrors nothing in PHP.

use std::sync::Arc;

use url::Url;

use super::Protection;
use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;
use crate::source::Source;

pub(super) const KEYS: &[&str] = &["shadow.enabled", "shadow.php", "shadow.retention_days"];

const WRITE_AN_ADDRESS: &str =
    "write where PHP answers without passing through the sidecar, e.g. \"http://127.0.0.1:8080\"";

/// Resolved `[shadow]` options.
#[derive(Debug, Clone)]
pub struct Shadow {
    /// Host and port at which PHP executes the calls; `None` while the sidecar executes them.
    pub php: Option<String>,
    /// Days after which the record of a comparison is deleted; at least 1.
    pub retention_days: u32,
}

/// The host and port of an address without anything else: the path is the request's.
fn address(text: &str) -> Result<String, Flaw> {
    let flaw = |what: &str| Flaw::new(what, WRITE_AN_ADDRESS);
    let url = Url::parse(text).map_err(|_| flaw("is not a web address"))?;
    if url.scheme() == "https" {
        return Err(flaw("uses TLS, which the sidecar does not speak to PHP"));
    }
    let host = url.host_str().filter(|_| url.scheme() == "http");
    let host = host.ok_or_else(|| flaw("is not a web address"))?;
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !is_bare {
        return Err(flaw("has more than a host and a port"));
    }
    Ok(format!("{host}:{}", url.port().unwrap_or(80)))
}

impl Shadow {
    pub(super) fn read(
        settings: &mut Settings,
        protections: &[Protection],
        sources: &[Arc<Source>],
    ) -> Result<Self, Reported> {
        let enabled = settings.flag("shadow.enabled");
        let php = settings.optional_parsed("shadow.php", address);
        let retention_days = settings.number("shadow.retention_days", 1..=36_500);
        let (enabled, php) = (enabled?, php?);
        if enabled && php.is_none() {
            let what = "is not set, although shadow.enabled is true";
            return Err(settings.note(Problem::new("shadow.php", what, WRITE_AN_ADDRESS)));
        }
        if enabled && !protections.is_empty() {
            let what = "is true, and webhooks are protected: PHP refuses their calls, so nobody would execute them";
            let remedy = "remove the tables [protection.…] until calls are executed by the sidecar";
            return Err(settings.note(Problem::new("shadow.enabled", what, remedy)));
        }
        if enabled && !sources.is_empty() {
            let what = "is true, and webhooks have a source: PHP knows no sources, so nobody would execute their calls";
            let remedy = "remove the tables [source.…] until calls are executed by the sidecar";
            return Err(settings.note(Problem::new("shadow.enabled", what, remedy)));
        }
        Ok(Self {
            php: php.filter(|_| enabled),
            retention_days: retention_days?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn php_is_named_by_host_and_port_alone() {
        for (text, expected) in [
            ("http://127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("http://php.example/", Some("php.example:80")),
            ("http://[::1]:81", Some("[::1]:81")),
            ("https://php.example", None),
            ("http://php.example/portal", None),
            ("http://user@php.example/", None),
            ("127.0.0.1:8080", None),
        ] {
            assert_eq!(address(text).ok().as_deref(), expected, "{text}");
        }
    }
}
