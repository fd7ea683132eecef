//! Compares results with a recording, whose tokens stand for values that differ from run to run.

use serde_json::Value;
use sqlx::types::chrono::{DateTime, NaiveDateTime};

use crate::harness::passwords;

/// The values that the tokens of one case may have.
pub(crate) struct Tokens<'a> {
    /// The server's clock before the first request and after the last, in Unix seconds.
    pub(crate) since: u64,
    pub(crate) until: u64,
    pub(crate) wordpress: &'a str,
    /// The password that was posted, if the case contains it.
    pub(crate) password: Option<&'a str>,
}

/// Appends a line to `differences` for every place where the two differ. `ignored` names keys of objects that are not
/// compared. The order of keys does not matter, types do.
pub(crate) fn compare(
    expected: &Value,
    got: &Value,
    path: &str,
    ignored: &[&str],
    tokens: &Tokens,
    differences: &mut Vec<String>,
) {
    match (expected, got) {
        (Value::Object(expected), Value::Object(got)) => {
            let more = got.keys().filter(|key| !expected.contains_key(*key));
            for key in expected.keys().chain(more) {
                if ignored.contains(&key.as_str()) {
                    continue;
                }
                let path = format!("{path}.{key}");
                match (expected.get(key), got.get(key)) {
                    (Some(one), Some(other)) => {
                        compare(one, other, &path, ignored, tokens, differences);
                    }
                    (Some(one), None) => differences.push(format!("{path}: missing: {one}")),
                    (None, Some(other)) => {
                        differences.push(format!("{path}: unexpected: {other}"));
                    }
                    (None, None) => {}
                }
            }
        }
        (Value::Array(expected), Value::Array(got)) => {
            for (index, (one, other)) in expected.iter().zip(got).enumerate() {
                let path = format!("{path}[{index}]");
                compare(one, other, &path, ignored, tokens, differences);
            }
            for one in expected.iter().skip(got.len()) {
                differences.push(format!("{path}: missing: {one}"));
            }
            for other in got.iter().skip(expected.len()) {
                differences.push(format!("{path}: unexpected: {other}"));
            }
        }
        (Value::String(token), got) if token.starts_with('@') && tokens.admit(token, got) => {}
        (expected, got) if expected == got => {}
        (expected, got) => differences.push(format!("{path}: expected {expected}, got {got}")),
    }
}

impl Tokens<'_> {
    fn admit(&self, token: &str, got: &Value) -> bool {
        if let Some(offset) = token.strip_prefix("@now") {
            let offset = offset_seconds(offset);
            return got.as_str().is_some_and(|time| self.is_now(time, offset));
        }
        match token {
            "@epoch" => got.as_u64().is_some_and(|time| self.covers(time)),
            "@hash" => got.as_str().is_some_and(|hash| self.is_right_hash(hash)),
            "@key" => got.as_str().is_some_and(|key| self.is_reset_key(key)),
            _ => panic!("unknown token {token}"),
        }
    }

    fn covers(&self, time: u64) -> bool {
        (self.since..=self.until).contains(&time)
    }

    /// Whether a literal is the current wall clock time, this many seconds east of UTC.
    pub(crate) fn is_now(&self, literal: &str, offset: i64) -> bool {
        NaiveDateTime::parse_from_str(literal, "%Y-%m-%d %H:%M:%S")
            .ok()
            .and_then(|time| u64::try_from(time.and_utc().timestamp() - offset).ok())
            .is_some_and(|time| self.covers(time))
    }

    fn is_right_hash(&self, hash: &str) -> bool {
        if !passwords::has_known_shape(hash, self.wordpress) {
            return false;
        }
        match self.password {
            None => true,
            // PHP takes `0` for no password and generates one, so it must not work as a password.
            Some(falsy @ ("" | "0")) => !passwords::accepts(hash, falsy, self.wordpress),
            Some(password) => passwords::accepts(hash, password, self.wordpress),
        }
    }

    fn is_reset_key(&self, key: &str) -> bool {
        key.split_once(':').is_some_and(|(time, hash)| {
            time.parse().is_ok_and(|time| self.covers(time))
                && passwords::is_key_hash(hash, self.wordpress)
        })
    }
}

/// `-07:00` in seconds; an empty text is 0.
fn offset_seconds(text: &str) -> i64 {
    if text.is_empty() {
        return 0;
    }
    let sample = format!("1970-01-01T00:00:00{text}");
    -DateTime::parse_from_rfc3339(&sample).unwrap().timestamp()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// 2026-11-23 12:00:00 UTC.
    const NOON: u64 = 1_795_435_200;

    fn differences(expected: &Value, got: &Value) -> Vec<String> {
        let tokens = Tokens {
            since: NOON,
            until: NOON + 2,
            wordpress: "7.1",
            password: Some("correct horse"),
        };
        let mut differences = Vec::new();
        compare(expected, got, "x", &["skipped"], &tokens, &mut differences);
        differences
    }

    #[test]
    fn tokens_admit_what_they_stand_for() {
        for (token, got) in [
            ("@now", json!("2026-11-23 12:00:01")),
            ("@now-07:00", json!("2026-11-23 05:00:02")),
            ("@now+05:30", json!("2026-11-23 17:30:00")),
            ("@epoch", json!(NOON + 1)),
            ("@hash", json!("$P$BabcdefghKfdE7H4Uy7ajxpijsjAJW0")),
            (
                "@key",
                json!(format!(
                    "{NOON}:$generic$UfGbgbsqeDuSn8PJFpjz07u2zubyNUvlCRO1D3XA"
                )),
            ),
        ] {
            assert_eq!(differences(&json!(token), &got), [""; 0], "{token}");
        }
    }

    #[test]
    fn tokens_refuse_everything_else() {
        for (token, got) in [
            ("@now", json!("2026-11-23 12:00:03")),
            ("@now", json!("2026-11-23 15:00:01")),
            ("@now", Value::Null),
            ("@now-07:00", json!("2026-11-23 12:00:01")),
            ("@epoch", json!(NOON - 1)),
            ("@epoch", json!(NOON.to_string())),
            ("@hash", json!("$P$BzZ9./aB3j0DIVJmH./k7n5cuBHOYk0")),
            ("@key", json!("")),
        ] {
            assert_eq!(differences(&json!(token), &got).len(), 1, "{token} {got}");
        }
    }

    #[test]
    fn every_difference_is_told_with_its_path() {
        let expected = json!({ "a": [1, { "b": "2", "skipped": 3 }], "c": null, "d": [1] });
        let got = json!({ "a": [1, { "b": 2, "skipped": 4 }], "d": [1, 5], "e": 6 });
        assert_eq!(
            differences(&expected, &got),
            [
                r#"x.a[1].b: expected "2", got 2"#,
                "x.c: missing: null",
                "x.d: unexpected: 5",
                "x.e: unexpected: 6",
            ]
        );
    }
}
