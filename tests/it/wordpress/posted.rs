//! Compares what the daemon reads of a body with what PHP holds in `$_POST`.

use std::fmt::Write;
use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fcom_sidecar::http::body::Kind;
use fcom_sidecar::http::fields::{Field, Fields, FormError};
use futures_util::future::join_all;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

use super::php::Server;
use super::random_bodies::Posted;
use crate::harness::http;

/// Other bodies, or more of them: `SEED` or `SEED:NUMBER`.
const SEED: &str = "FCOM_SIDECAR_TEST_POSTED";
const BODIES: usize = 10_000;
/// PHP's `max_input_vars`, and the daemon's default.
const MAX_FIELDS: usize = 1000;
/// PHP's servers handle one request at a time.
const SERVERS: usize = 4;

/// What PHP read.
struct Read {
    /// Arrays are `None`.
    fields: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    warning: String,
}

impl Read {
    async fn of(posted: &Posted, server: &Server) -> Self {
        let headers = [("Content-Type", posted.kind.as_str())];
        let answer = http::request(server.address, "POST", "/", &headers, &posted.body);
        let answer = answer.await.unwrap();
        let read = answer.json();
        assert!(read["fields"].is_array(), "{}", answer.text());
        let bytes = |value: &Value| value.as_str().map(|text| STANDARD.decode(text).unwrap());
        let fields = read["fields"].as_array().unwrap().iter();
        Self {
            fields: fields
                .map(|field| (bytes(&field[0]).unwrap(), bytes(&field[1])))
                .collect(),
            warning: read["warning"].as_str().unwrap_or_default().to_owned(),
        }
    }

    fn is(&self, fields: &Fields) -> bool {
        let is_equal = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| {
            // The daemon asks for no name that is not text.
            let Ok(name) = str::from_utf8(name) else {
                return true;
            };
            match (fields.get(name), value) {
                (Some(Field::Text(ours)), Some(php)) => ours == php,
                (Some(Field::Array), None) => true,
                _ => false,
            }
        };
        self.fields.len() == fields.len() && self.fields.iter().all(is_equal)
    }
}

/// Compares one body; an error tells an unexplained difference.
async fn judge(posted: &Posted, server: &Server) -> Result<&'static str, String> {
    let php = Read::of(posted, server).await;
    let Some(kind) = Kind::of(posted.kind.as_bytes()) else {
        let is_nothing = php.fields.is_empty();
        return explained(
            "of another type",
            is_nothing,
            "it takes it for no form",
            &php,
        );
    };
    let ours = kind.read(&posted.body, MAX_FIELDS);
    if ours != Err(FormError::Unclosed) {
        return compare(&ours, &php);
    }
    let Kind::Multipart(Some(boundary)) = &kind else {
        unreachable!("only multipart bodies have a boundary")
    };
    // What lacks a closing boundary has to be read alike with one.
    let mut closed = posted.clone();
    closed.body.extend(b"\r\n\r\n\r\n--");
    closed.body.extend(boundary);
    closed.body.extend(b"--\r\n");
    let php = Read::of(&closed, server).await;
    compare(&kind.read(&closed.body, MAX_FIELDS), &php)?;
    Ok("no closing boundary")
}

/// Whether both read the same, or the daemon refuses what PHP reads in part.
fn compare(ours: &Result<Fields, FormError>, php: &Read) -> Result<&'static str, String> {
    let is_told = |warning| php.warning.contains(warning);
    let (end, is_explained) = match ours {
        Ok(fields) => ("equal", php.is(fields)),
        Err(FormError::TooMany { .. }) => (
            "too many fields",
            is_told("Input variables exceeded") || is_told("Multipart body parts limit exceeded"),
        ),
        Err(FormError::NoBoundary) => (
            "no usable boundary",
            is_told("Missing boundary") || is_told("Invalid boundary"),
        ),
        Err(FormError::Nameless) => (
            "a part without a name",
            is_told("File Upload Mime headers garbled"),
        ),
        Err(FormError::Unclosed) => ("no closing boundary", false),
    };
    explained(end, is_explained, &shown(ours), php)
}

fn explained(
    end: &'static str,
    is_explained: bool,
    ours: &str,
    php: &Read,
) -> Result<&'static str, String> {
    let shown = |(name, value): &(Vec<u8>, Option<Vec<u8>>)| {
        let value = value.as_deref().unwrap_or(b"(array)");
        format!("{}={} ", name.escape_ascii(), value.escape_ascii())
    };
    let fields: String = php.fields.iter().map(shown).collect();
    let warning = &php.warning;
    let told = || format!("the daemon: {ours}\nPHP: {fields}{warning}");
    is_explained.then_some(end).ok_or_else(told)
}

fn shown(ours: &Result<Fields, FormError>) -> String {
    let fields = match ours {
        Ok(fields) => fields,
        Err(error) => return error.to_string(),
    };
    let mut text = format!("{} fields", fields.len());
    for name in [
        "email",
        "first_name",
        "last_name",
        "user_login",
        "user_password",
        "fcom_action",
        "webhook",
    ] {
        if let Some(value) = fields.text(name) {
            write!(text, ", {name}={}", value.escape_ascii()).unwrap();
        }
    }
    text
}

#[tokio::test]
async fn forms_are_read_as_php_reads_them() {
    let chosen = std::env::var_os(SEED).map_or("1".to_owned(), |text| text.into_string().unwrap());
    let (seed, number) = chosen.split_once(':').unwrap_or((&chosen, ""));
    let (seed, number): (u64, usize) = (seed.parse().unwrap(), number.parse().unwrap_or(BODIES));
    eprintln!("{SEED}={seed}:{number}");
    let root = tempfile::tempdir().unwrap();
    let script = include_str!("../../data/php/posted.php");
    fs::write(root.path().join("index.php"), script).unwrap();
    let lanes = (0..SERVERS).map(async |lane| {
        let server = Server::start(root.path()).await;
        let mut ends = Vec::new();
        for number in (lane..number).step_by(SERVERS) {
            let seed = seed.wrapping_mul(1 << 32).wrapping_add(number as u64);
            let posted = Posted::random(&mut StdRng::seed_from_u64(seed));
            let end = judge(&posted, &server).await.unwrap_or_else(|told| {
                let (kind, body) = (&posted.kind, posted.body.escape_ascii());
                panic!("body {number} of {SEED}={chosen}: {kind}\n{body}\n{told}")
            });
            ends.push(end);
        }
        ends
    });
    let ends = join_all(lanes).await.concat();
    let count = |end: &str| ends.iter().filter(|&&one| one == end).count();
    // Most have to be equal, and each agreed difference has to occur, or the bodies prove nothing.
    for (end, least) in [
        ("equal", number / 2),
        ("of another type", number / 200),
        ("too many fields", number / 2_000),
        ("no usable boundary", number / 200),
        ("a part without a name", number / 200),
        ("no closing boundary", number / 200),
    ] {
        eprintln!("{}: {end}", count(end));
        assert!(count(end) >= least, "{}: {end}", count(end));
    }
}
