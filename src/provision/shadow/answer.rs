//! Compares answers. Pure.

use serde_json::{Map, Value};

use super::agreed::LANGUAGE;
use super::exchange::{Heard, Told};
use super::findings::{Difference, Findings, Mask};

/// Seconds by which two clocks may differ.
pub(super) const SLACK: i64 = 2;

/// What a right answer depends on.
pub(super) struct Expected {
    /// The member in PHP's answer.
    pub(super) user_id: u64,
    /// The Unix times between which the call was executed.
    pub(super) between: (i64, i64),
    /// Whether the site's language is English.
    pub(super) is_english: bool,
}

/// Compares the bodies of two answers with the same status.
pub(super) fn compare(
    told: &Told,
    heard: &Heard,
    expected: &Expected,
    mask: &Mask,
    findings: &mut Findings,
) {
    let Some(text) = &heard.body else { return };
    let Ok(mut body) = serde_json::from_slice::<Map<String, Value>>(text) else {
        findings.differ(Difference {
            place: "answer".to_owned(),
            sidecar: Some(told.message.clone()),
            php: Some(mask.text(&String::from_utf8_lossy(text))),
        });
        return;
    };
    let is_success = told.status == 200;
    let mut differ = |field: &str, sidecar: Option<String>, php: Option<&Value>| {
        findings.differ(Difference {
            place: format!("answer.{field}"),
            sidecar,
            php: php.map(|value| mask.text(&shown(value))),
        });
    };
    let word = if is_success { "success" } else { "error" };
    let status = body.shift_remove("status");
    if status.as_ref().and_then(Value::as_str) != Some(word) {
        differ("status", Some(word.to_owned()), status.as_ref());
    }
    if is_success {
        let (since, until) = expected.between;
        let time = body.shift_remove("execution_timestamp");
        let is_now = |time: i64| (since - SLACK..=until + SLACK).contains(&time);
        if !time.as_ref().and_then(Value::as_i64).is_some_and(is_now) {
            differ(
                "execution_timestamp",
                Some(since.to_string()),
                time.as_ref(),
            );
        }
        let user = body.shift_remove("user_id");
        if user.as_ref().and_then(Value::as_u64) != Some(expected.user_id) {
            differ("user_id", Some(expected.user_id.to_string()), user.as_ref());
        }
    }
    let message = body.shift_remove("message");
    let is_other = message.as_ref().and_then(Value::as_str) != Some(&told.message);
    if is_other && (expected.is_english || message.is_none()) {
        differ("message", Some(told.message.clone()), message.as_ref());
    }
    for (field, value) in &body {
        differ(&mask.text(field), None, Some(value));
    }
    if is_other && !expected.is_english && message.is_some() {
        findings.agree(LANGUAGE);
    }
}

fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Outcome;

    fn found(told: (u16, &str), body: &str, is_english: bool) -> Findings {
        let told = Told {
            status: told.0,
            message: told.1.to_owned(),
            outcome: Outcome::Created,
        };
        let heard = Heard {
            status: told.status,
            is_json: true,
            body: Some(body.as_bytes().to_vec()),
        };
        let expected = Expected {
            user_id: 14,
            between: (1000, 1003),
            is_english,
        };
        let mut findings = Findings::default();
        compare(&told, &heard, &expected, &Mask::of([]), &mut findings);
        findings
    }

    fn places(findings: &Findings) -> Vec<&str> {
        let differences = findings.unexplained.iter();
        differences.map(|one| one.place.as_str()).collect()
    }

    #[test]
    fn an_answer_is_compared_field_by_field() {
        let right =
            r#"{"status":"success","message":"done","execution_timestamp":1004,"user_id":14}"#;
        assert_eq!(found((200, "done"), right, true), Findings::default());
        for (body, place) in [
            (right.replace("1004", "1010"), "answer.execution_timestamp"),
            (right.replace("14}", "13}"), "answer.user_id"),
            (right.replace("14}", "14,\"more\":1}"), "answer.more"),
            (right.replace("done", "made"), "answer.message"),
            (right.replace("success", "ok"), "answer.status"),
            ("<html>".to_owned(), "answer"),
        ] {
            assert_eq!(places(&found((200, "done"), &body, true)), [place]);
        }
    }

    #[test]
    fn words_in_another_language_are_agreed_only_where_the_site_has_one() {
        let german = r#"{"status":"error","message":"E-Mail fehlt"}"#;
        let findings = found((423, "Email is required"), german, false);
        assert_eq!((findings.agreed.len(), findings.unexplained.len()), (1, 0));
        let findings = found((423, "Email is required"), german, true);
        assert_eq!(places(&findings), ["answer.message"]);
    }
}
