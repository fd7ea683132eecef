//! `[otlp]`: the OpenTelemetry collector that receives traces of calls, if any. Mirrors nothing in PHP.

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &[
    "otlp.endpoint",
    "otlp.headers",
    "otlp.headers_file",
    "otlp.service_name",
    "otlp.sample_ratio",
    "otlp.timeout_seconds",
];

/// Whether this binary was built with support for it.
const IS_BUILT_IN: bool = cfg!(feature = "otlp");
/// The path at which collectors accept spans over HTTP.
const TRACES: &str = "v1/traces";

/// The resolved `[otlp]` options, if a collector is configured.
#[derive(Debug, Clone)]
pub struct Otlp {
    /// The URL to which spans are posted.
    pub endpoint: Url,
    /// Names and values of the headers sent with them.
    pub headers: Vec<(String, SecretString)>,
    /// The service name shown in the collector.
    pub service_name: String,
    /// The fraction of traces started here that is exported, from 0 to 1.
    pub sample_ratio: f64,
    /// How long the collector may take to respond.
    pub timeout: Duration,
}

impl Otlp {
    /// `None` without an endpoint.
    pub(super) fn read(settings: &mut Settings) -> Result<Option<Self>, Reported> {
        Self::read_for(settings, IS_BUILT_IN)
    }

    fn read_for(settings: &mut Settings, is_built_in: bool) -> Result<Option<Self>, Reported> {
        if !is_built_in && settings.is_given("otlp.endpoint") {
            let what = "is set, but this binary was built without OpenTelemetry";
            let remedy = "build it with: cargo build --release --locked --features otlp; or remove the option";
            return Err(settings.note(Problem::new("otlp.endpoint", what, remedy)));
        }
        if let Some(what) = settings
            .optional("otlp.endpoint")?
            .and_then(|url| secret_in(&url))
        {
            let remedy =
                "put tokens and passwords into otlp.headers, e.g. \"Authorization: Bearer …\"";
            return Err(settings.note(Problem::new("otlp.endpoint", what, remedy)));
        }
        let endpoint = settings.optional_parsed("otlp.endpoint", endpoint);
        let headers = headers(settings);
        let service_name = settings.parsed("otlp.service_name", |name| Ok(name.to_owned()));
        let sample_ratio = settings.ratio("otlp.sample_ratio");
        let timeout = settings.number("otlp.timeout_seconds", 1..=60);
        let (endpoint, headers, service_name) = (endpoint?, headers?, service_name?);
        let (sample_ratio, timeout) = (sample_ratio?, Duration::from_secs(timeout?));
        Ok(endpoint.map(|endpoint| Self {
            endpoint,
            headers,
            service_name,
            sample_ratio,
            timeout,
        }))
    }
}

/// Parses the collector's URL and adds the path for spans.
fn endpoint(text: &str) -> Result<Url, Flaw> {
    let url = Url::parse(text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let mut url = url.ok_or_else(|| {
        let remedy =
            "write the collector's address for OTLP over HTTP, e.g. \"http://127.0.0.1:4318\"";
        Flaw::new("is not a web address", remedy)
    })?;
    let path = url.path().trim_end_matches('/');
    if !path.ends_with(TRACES) {
        url.set_path(&format!("{path}/{TRACES}"));
    }
    Ok(url)
}

/// Reads one header per line. Problems are reported without quoting the line, because values are tokens.
fn headers(settings: &mut Settings) -> Result<Vec<(String, SecretString)>, Reported> {
    let Some(text) = settings.secret("otlp.headers")? else {
        return Ok(Vec::new());
    };
    let lines = text.expose_secret().lines().enumerate();
    let filled = lines.filter(|(_, line)| !line.trim().is_empty());
    let headers = filled.map(|(index, line)| header(line).ok_or(index + 1));
    headers.collect::<Result<_, usize>>().map_err(|line| {
        let what = format!("has no header in line {line}");
        let remedy = "write one \"Name: value\" a line";
        settings.note(Problem::new("otlp.headers", what, remedy))
    })
}

fn header(line: &str) -> Option<(String, SecretString)> {
    let (name, value) = line.split_once(':')?;
    let (name, value) = (name.trim(), value.trim());
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_header = !name.is_empty()
        && name.bytes().all(is_token)
        && !value.is_empty()
        && value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    is_header.then(|| (name.to_owned(), SecretString::from(value)))
}

/// Names the part of the URL that may hold a secret and would appear in messages.
fn secret_in(url: &str) -> Option<&'static str> {
    let url = Url::parse(url).ok()?;
    if !url.username().is_empty() || url.password().is_some() {
        Some("holds a user or a password, which would be shown in messages")
    } else if url.query().is_some() || url.fragment().is_some() {
        Some("has a query or a fragment, which would be shown in messages")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use ::config::Value;

    use super::*;

    fn read(options: &[(&str, &str)], is_built_in: bool) -> Result<Option<Otlp>, String> {
        let mut settings = Settings::default();
        for (key, value) in [
            ("service_name", "x"),
            ("sample_ratio", "1"),
            ("timeout_seconds", "9"),
        ] {
            settings.set(format!("otlp.{key}"), Value::new(None, value));
        }
        for (key, value) in options {
            let origin = "the test".to_owned();
            settings.set(format!("otlp.{key}"), Value::new(Some(&origin), *value));
        }
        let resolved = Otlp::read_for(&mut settings, is_built_in);
        settings.finish(resolved).map_err(|error| error.to_string())
    }

    #[test]
    fn a_binary_without_opentelemetry_refuses_a_collector_and_says_how_to_build_one_with_it() {
        let error = read(&[("endpoint", "http://127.0.0.1:4318")], false).unwrap_err();
        assert!(
            error.contains("otlp.endpoint: is set, but this binary"),
            "{error}"
        );
        assert!(error.contains("--features otlp"), "{error}");
        assert!(read(&[], false).unwrap().is_none());
        assert!(read(&[("endpoint", "")], false).unwrap().is_none());
    }

    #[test]
    fn a_collector_is_named_with_or_without_its_path() {
        for (given, posted_to) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            (
                "https://collector.example/",
                "https://collector.example/v1/traces",
            ),
            (
                "https://collector.example/v1/traces",
                "https://collector.example/v1/traces",
            ),
            (
                "https://collector.example/otlp/",
                "https://collector.example/otlp/v1/traces",
            ),
        ] {
            let otlp = read(&[("endpoint", given)], true).unwrap().unwrap();
            assert_eq!(otlp.endpoint.as_str(), posted_to);
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_secrets() {
        for (options, said) in [
            (
                [("endpoint", "127.0.0.1:4318"), ("headers", "")],
                "not a web address",
            ),
            (
                [("endpoint", "grpc://collector:4317"), ("headers", "")],
                "not a web address",
            ),
            (
                [("endpoint", "http://collector/#s3cret"), ("headers", "")],
                "fragment",
            ),
            (
                [("endpoint", "http://u:s3cret@collector"), ("headers", "")],
                "password",
            ),
            (
                [("endpoint", "http://collector?key=s3cret"), ("headers", "")],
                "query",
            ),
            (
                [("endpoint", "http://collector"), ("headers", "s3cret")],
                "line 1",
            ),
            (
                [
                    ("endpoint", "http://collector"),
                    ("headers", "A: b\nX Y: s3cret"),
                ],
                "line 2",
            ),
            (
                [("endpoint", "http://collector"), ("headers", "A: s3crät")],
                "line 1",
            ),
            (
                [("endpoint", "http://collector"), ("sample_ratio", "1.5")],
                "from 0 to 1",
            ),
            (
                [("endpoint", "http://collector"), ("sample_ratio", "NaN")],
                "from 0 to 1",
            ),
        ] {
            let error = read(&options, true).unwrap_err();
            assert!(error.contains(said), "{error}");
            assert!(!error.contains("s3cr"), "{error}");
        }
    }

    #[test]
    fn headers_stand_one_in_a_line() {
        let headers = "Authorization: Bearer a:b,c=d\n\nX-Scope: team \n";
        let options = [("endpoint", "http://collector"), ("headers", headers)];
        let otlp = read(&options, true).unwrap().unwrap();
        let headers: Vec<_> = otlp
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .collect();
        assert_eq!(
            headers,
            [("Authorization", "Bearer a:b,c=d"), ("X-Scope", "team")]
        );
        assert!(!format!("{otlp:?}").contains("Bearer"));
    }
}
