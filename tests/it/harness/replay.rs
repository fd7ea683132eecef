//! Replays a recording and lists where the daemon differs from PHP.

use std::collections::BTreeMap;

use fcom_sidecar::sample::mailbox::Mailbox;
use serde_json::{Map, Value};

use crate::harness::compare::{Tokens, compare};
use crate::harness::http::Response;
use crate::harness::invariants;
use crate::harness::original::Original;
use crate::harness::received_mails;
use crate::harness::recording::{Case, Deviation, Recording};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
use crate::harness::snapshot::Snapshot;

/// Replays a recording on its site, with these variables in the daemon's environment.
pub(crate) async fn replay_on(site: &Site, recording: &Recording, environment: &[(&str, &str)]) {
    let deviations: BTreeMap<String, Deviation> =
        serde_json::from_str(include_str!("../../data/deviations.json")).unwrap();
    assert_eq!(site.wordpress, recording.wordpress);
    let original = Original::of(site).await;
    let mut mailbox = Mailbox::open().await.unwrap();
    let url = format!("smtp://127.0.0.1:{}", mailbox.port());
    let environment = [environment, &[("FCOM_SIDECAR__SMTP__URL", url.as_str())]].concat();
    let sidecar = Sidecar::start_with(site, &environment).await;
    let mut failures = Vec::new();
    for case in &recording.cases {
        let run = Run::of(case, site, &sidecar, &mut mailbox).await;
        let mut differences = match deviations.get(&case.name) {
            Some(deviation) => run.deviates_as(deviation, site).await,
            None => run.differences(case),
        };
        original.restore(site, run.diff.keys()).await;
        differences.sort();
        failures.extend(
            differences
                .iter()
                .map(|line| format!("{}: {line}", case.name)),
        );
    }
    let (cases, count) = (recording.cases.len(), failures.len());
    assert!(
        failures.is_empty(),
        "WordPress {}: {count} differences in {cases} cases:\n{}",
        site.wordpress,
        failures.join("\n")
    );
}

/// The results of one case.
struct Run<'a> {
    tokens: Tokens<'a>,
    responses: Vec<Response>,
    diff: Map<String, Value>,
    mails: Vec<Value>,
}

impl<'a> Run<'a> {
    async fn of(case: &'a Case, site: &'a Site, sidecar: &Sidecar, mailbox: &mut Mailbox) -> Self {
        for statement in &case.setup {
            site.execute(statement).await;
        }
        let before = Snapshot::take(site).await;
        let since = site.now().await;
        let mut responses = Vec::new();
        for request in &case.requests {
            responses.push(request.send(&sidecar.client).await);
        }
        let mails = received_mails::delivered(site, &sidecar.client, mailbox).await;
        let until = site.now().await;
        let diff = before.diff(&Snapshot::take(site).await);
        Self {
            tokens: Tokens {
                since,
                until,
                wordpress: site.wordpress,
                password: case.password.as_deref(),
            },
            responses,
            diff,
            mails,
        }
    }

    fn differences(&self, case: &Case) -> Vec<String> {
        let mut differences = Vec::new();
        for (expected, got) in case.expected.responses.iter().zip(&self.responses) {
            self.compare_response(expected, got, &mut differences);
        }
        let diff = Value::Object(self.diff.clone());
        let expected = &case.expected.diff;
        compare(expected, &diff, "diff", &[], &self.tokens, &mut differences);
        let (expected, got) = (
            received_mails::recorded(&case.expected.mails),
            self.mails.clone().into(),
        );
        compare(
            &expected,
            &got,
            "mails",
            &[],
            &self.tokens,
            &mut differences,
        );
        differences
    }

    fn compare_response(&self, expected: &Value, got: &Response, differences: &mut Vec<String>) {
        let json = got.json();
        if expected["status"] != got.status {
            let text = got.text();
            differences.push(format!(
                "status: expected {}, got {} {text}",
                expected["status"], got.status
            ));
        }
        compare(
            &expected["json"],
            &json,
            "json",
            &[],
            &self.tokens,
            differences,
        );
        let keys = |value: &Value| -> Vec<String> {
            let object = value.as_object();
            object.map_or_else(Vec::new, |object| object.keys().cloned().collect())
        };
        if keys(&expected["json"]) != keys(&json) {
            differences.push(format!("json: other order of keys: {}", got.text()));
        }
        for (header, key) in [
            ("content-type", "content_type"),
            ("cache-control", "cache_control"),
        ] {
            if expected[key].as_str() != got.header(header) {
                let (expected, got) = (&expected[key], got.header(header));
                differences.push(format!("{header}: expected {expected}, got {got:?}"));
            }
        }
    }

    async fn deviates_as(&self, deviation: &Deviation, site: &Site) -> Vec<String> {
        let mut differences = Vec::new();
        let statuses: Vec<u16> = self.responses.iter().map(|one| one.status).collect();
        if statuses != deviation.statuses {
            let (expected, got) = (&deviation.statuses, &statuses);
            differences.push(format!("status: expected {expected:?}, got {got:?}"));
        }
        if deviation.unchanged && !self.diff.is_empty() {
            let diff = Value::Object(self.diff.clone());
            differences.push(format!("diff: expected none, got {diff}"));
        }
        if let Some(login) = &deviation.login {
            let users = self.diff.get("wp_users").unwrap_or(&Value::Null);
            let logins: Vec<&Value> = users["inserted"].as_array().map_or_else(Vec::new, |rows| {
                rows.iter().map(|row| &row["user_login"]).collect()
            });
            if logins != [login] {
                differences.push(format!("login: expected {login}, got {logins:?}"));
            }
            differences.extend(invariants::violations(site).await);
        }
        let got = self.mails.len() as u64;
        if deviation.mails.is_some_and(|expected| expected != got) {
            let expected = deviation.mails;
            differences.push(format!("mails: expected {expected:?}, got {got}"));
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::passwords;

    /// The value that a token stands for, generated at this moment.
    fn fill(value: &Value, now: i64, tokens: &Tokens) -> String {
        let time = |offset: i64| {
            let time = sqlx::types::chrono::DateTime::from_timestamp(now + offset, 0).unwrap();
            time.format("%Y-%m-%d %H:%M:%S").to_string()
        };
        let hash = || match tokens.password {
            // PHP takes this for no password.
            Some("0") | None => "$P$BabcdefghKfdE7H4Uy7ajxpijsjAJW0".to_owned(),
            Some(password) => phpass::PhPass::new(passwords::compared_with(password)).to_string(),
        };
        let text = match value {
            Value::Null => return "NULL".to_owned(),
            Value::String(text) => match text.as_str() {
                "@now" => time(0),
                "@now-07:00" => time(-7 * 3600),
                "@now+05:30" => time(5 * 3600 + 1800),
                "@hash" => hash(),
                "@key" if tokens.wordpress.starts_with("7.") => {
                    format!("{now}:$generic$UfGbgbsqeDuSn8PJFpjz07u2zubyNUvlCRO1D3XA")
                }
                "@key" => format!("{now}:$P$BabcdefghDlZSpS7e9/Cw1C6huQxKZ."),
                text => text.to_owned(),
            },
            other => other.to_string(),
        };
        format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
    }

    /// The statements that change the tables as a recording says.
    fn statements(diff: &Value, fill: impl Fn(&Value) -> String) -> Vec<String> {
        let rows = |rows: &Value| rows.as_array().cloned().unwrap_or_default();
        let mut statements = Vec::new();
        for (table, changes) in diff.as_object().unwrap() {
            let key = match table.as_str() {
                "wp_options" => "option_id",
                "wp_usermeta" => "umeta_id",
                "wp_users" => "ID",
                _ => "id",
            };
            let pairs = |row: &Value, pick: fn(&Value) -> &Value, separator| {
                let pair =
                    |(name, value): (&String, &Value)| format!("{name} = {}", fill(pick(value)));
                let pairs: Vec<String> = row.as_object().unwrap().iter().map(pair).collect();
                pairs.join(separator)
            };
            for row in rows(&changes["inserted"]) {
                statements.push(format!(
                    "INSERT {table} SET {}",
                    pairs(&row, |value| value, ", ")
                ));
            }
            for row in rows(&changes["updated"]) {
                let changed = pairs(&row["changed"], |change| &change[1], ", ");
                statements.push(format!(
                    "UPDATE {table} SET {changed} WHERE {key} = {}",
                    row["key"]
                ));
            }
            for row in rows(&changes["deleted"]) {
                statements.push(format!("DELETE FROM {table} WHERE {key} = {}", row[key]));
            }
        }
        statements
    }

    /// Writes PHP's rows by SQL and finds no difference; then finds the difference that each wrong row makes.
    #[tokio::test]
    async fn the_recorded_changes_are_no_difference_and_others_are() {
        for fixture in ["61", "71"] {
            let recording = Recording::of(fixture);
            let site = Site::new(fixture).await;
            site.execute(
                "CREATE TABLE wp_fcom_sidecar_runs (id bigint); CREATE TABLE wp_fcom_sidecar_mail (id bigint)",
            )
            .await;
            let original = Original::of(&site).await;
            for case in &recording.cases {
                for statement in &case.setup {
                    site.execute(statement).await;
                }
                let before = Snapshot::take(&site).await;
                let now = site.now().await;
                let mut run = Run {
                    tokens: Tokens {
                        since: now,
                        until: now,
                        wordpress: site.wordpress,
                        password: case.password.as_deref(),
                    },
                    responses: Vec::new(),
                    diff: Map::new(),
                    mails: received_mails::recorded(&case.expected.mails)
                        .as_array()
                        .unwrap()
                        .clone(),
                };
                let statements = statements(&case.expected.diff, |value| {
                    fill(value, i64::try_from(now).unwrap(), &run.tokens)
                });
                for statement in &statements {
                    site.execute(statement).await;
                }
                run.diff = before.diff(&Snapshot::take(&site).await);
                assert_eq!(run.differences(case), [""; 0], "{}", case.name);
                run.diff.insert("wp_fcom_spaces".to_owned(), Value::Null);
                assert_eq!(run.differences(case).len(), 1, "{}", case.name);
                let touched: Vec<String> = run.diff.keys().cloned().collect();
                original.restore(&site, touched.iter()).await;
            }
        }
    }
}
