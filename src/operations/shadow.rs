//! Queries the record of calls in shadow mode for operators. The types have the shape of the JSON in both the command line and the HTTP
//! API.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use super::record::{Part, Record, RecordError};
use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::fluentcommunity::webhook::Webhook;
use crate::outcome::Verdict;
use crate::provision::shadow::{Difference, Findings};

/// Rows of each verdict whose findings a report reads.
const READ: u32 = 1_000;
/// Calls that a report names.
const NAMED: usize = 20;

const DOING: &str = "look for calls in shadow mode";

/// What was found since some time.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShadowReport {
    /// Calls that have ended.
    pub calls: u64,
    /// PHP left what the sidecar would have left.
    pub equal: u64,
    /// The same, and rows of others beside.
    pub beside: u64,
    /// It differs as documented.
    pub agreed: u64,
    /// It differs, and calls for the same member or the same names ran at the same time.
    pub overlapped: u64,
    /// It differs.
    pub unexplained: u64,
    /// It was not compared, because the database or PHP was away, or the process ended.
    pub uncompared: u64,
    /// Calls that run.
    pub running: u64,
    /// What PHP took on average, in milliseconds.
    pub php_ms: Option<u64>,
    /// What the sidecar took to compute what it would do, its rollback included.
    pub sidecar_ms: Option<u64>,
    /// Lines of docs/differences.md, with the number of calls that each was met in; of the newest 1,000.
    pub agreed_lines: BTreeMap<String, u64>,
    /// Meta keys and columns of others, likewise.
    pub beside_ours: BTreeMap<String, u64>,
    /// Why calls were not compared, likewise.
    pub reasons: BTreeMap<String, u64>,
    /// The newest calls that nothing explains.
    pub look_at: Vec<LookAt>,
}

/// A call to look at.
#[derive(Debug, Serialize, ToSchema)]
pub struct LookAt {
    /// Its number.
    pub id: u64,
    /// When it began.
    #[schema(value_type = String)]
    pub started_at: DateTime<Utc>,
    /// The webhook.
    pub webhook_id: Option<u64>,
    /// The first difference.
    pub first: Option<Difference>,
    /// How many more there are.
    pub more: usize,
}

/// Some calls in shadow mode, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShadowPage {
    /// At most as many as were asked for.
    pub shadow: Vec<ShadowedCall>,
    /// `before` of the next page, if there is one.
    pub next_before: Option<u64>,
}

/// One call in shadow mode.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShadowedCall {
    /// Row id.
    pub id: u64,
    /// When it began.
    #[schema(value_type = String)]
    pub started_at: DateTime<Utc>,
    /// Row id in `fcom_meta`, if the sidecar would have executed the call.
    pub webhook_id: Option<u64>,
    /// Its title today; `None` if it was deleted or cannot be read.
    pub webhook_title: Option<String>,
    /// The member in PHP's tables.
    pub user_id: Option<u64>,
    /// `equal`, `beside`, `agreed`, `overlapped`, `unexplained` or `uncompared`; `None` while it runs, or if the process ended.
    pub verdict: Option<String>,
    /// The status that the sidecar would have answered.
    pub sidecar_status: Option<u16>,
    /// The status that PHP answered.
    pub php_status: Option<u16>,
    /// How long the sidecar took to compute what it would do.
    pub sidecar_ms: Option<u32>,
    /// How long PHP took.
    pub php_ms: Option<u32>,
    /// The name of the request.
    pub request_id: Option<String>,
    /// What was found.
    pub findings: Findings,
}

#[derive(FromRow)]
struct Figures {
    verdict: Option<String>,
    calls: i64,
    php_ms: u64,
    sidecar_ms: u64,
    computed: i64,
}

#[derive(FromRow)]
struct ShadowRow {
    id: u64,
    started_at: NaiveDateTime,
    webhook_id: Option<u64>,
    webhook: Option<Vec<u8>>,
    user_id: Option<u64>,
    verdict: Option<String>,
    sidecar_status: Option<u16>,
    php_status: Option<u16>,
    sidecar_ms: Option<u32>,
    php_ms: Option<u32>,
    request_id: Option<String>,
    findings: Option<String>,
}

impl From<ShadowRow> for ShadowedCall {
    fn from(row: ShadowRow) -> Self {
        let record = row.webhook.unwrap_or_default();
        let webhook = Webhook::read(row.webhook_id.unwrap_or_default(), &record).ok();
        let findings = row.findings.map(|text| serde_json::from_str(&text));
        Self {
            id: row.id,
            started_at: row.started_at.and_utc(),
            webhook_id: row.webhook_id,
            webhook_title: webhook
                .map(|webhook| String::from_utf8_lossy(&webhook.title).into_owned()),
            user_id: row.user_id,
            verdict: row.verdict,
            sidecar_status: row.sidecar_status,
            php_status: row.php_status,
            sidecar_ms: row.sidecar_ms,
            php_ms: row.php_ms,
            request_id: row.request_id,
            findings: findings.and_then(Result::ok).unwrap_or_default(),
        }
    }
}

/// The record of calls in shadow mode.
pub struct ShadowedCalls;

impl Record for ShadowedCalls {
    type Query = Part;
    type Page = ShadowPage;
    type Entry = ShadowedCall;

    /// Of all webhooks: that of a call that PHP alone would execute is not known.
    async fn list(
        connection: &mut Connection,
        statements: &Statements,
        part: &Part,
    ) -> Result<ShadowPage, RecordError> {
        let rows = sqlx::query_as(statements.list_shadow.sql())
            .bind(part.before())
            .bind(part.rows())
            .fetch_all(connection);
        let mut rows: Vec<ShadowRow> = rows.await.doing(DOING)?;
        Ok(ShadowPage {
            next_before: part.cut(&mut rows, |row| row.id),
            shadow: rows.into_iter().map(ShadowedCall::from).collect(),
        })
    }

    async fn show(
        connection: &mut Connection,
        statements: &Statements,
        id: u64,
    ) -> Result<Option<ShadowedCall>, DatabaseError> {
        let row: Option<ShadowRow> = sqlx::query_as(statements.show_shadow.sql())
            .bind(id)
            .fetch_optional(connection)
            .await
            .doing(DOING)?;
        Ok(row.map(ShadowedCall::from))
    }
}

/// What was found of the calls that began since then.
///
/// # Errors
/// A statement failed.
pub async fn report(
    connection: &mut Connection,
    statements: &Statements,
    since: DateTime<Utc>,
) -> Result<ShadowReport, DatabaseError> {
    let figures: Vec<Figures> = sqlx::query_as(statements.shadow_figures.sql())
        .bind(since.naive_utc())
        .fetch_all(&mut *connection)
        .await
        .doing(DOING)?;
    let running: i64 = sqlx::query_scalar(statements.shadows_running.sql())
        .fetch_one(&mut *connection)
        .await
        .doing(DOING)?;
    let running = running.unsigned_abs();
    let count = |verdict: Option<Verdict>| {
        let word = verdict.map(Verdict::word);
        let of = figures.iter().find(|one| one.verdict.as_deref() == word);
        of.map_or(0, |one| one.calls.unsigned_abs())
    };
    // Whose process ended, or who are not of this time.
    let interrupted = count(None).saturating_sub(running);
    let ended: u64 = Verdict::ALL.iter().map(|one| count(Some(*one))).sum();
    let of_compared = || {
        let is_compared = |word: &str| word != Verdict::Uncompared.word();
        let figures = figures.iter();
        figures.filter(move |one| one.verdict.as_deref().is_some_and(is_compared))
    };
    let average = |sum: fn(&Figures) -> u64, of: fn(&Figures) -> i64| {
        let calls: u64 = of_compared().map(|one| of(one).unsigned_abs()).sum();
        of_compared().map(sum).sum::<u64>().checked_div(calls)
    };
    let mut report = ShadowReport {
        calls: ended + interrupted,
        equal: count(Some(Verdict::Equal)),
        beside: count(Some(Verdict::Beside)),
        agreed: count(Some(Verdict::Agreed)),
        overlapped: count(Some(Verdict::Overlapped)),
        unexplained: count(Some(Verdict::Unexplained)),
        uncompared: count(Some(Verdict::Uncompared)) + interrupted,
        running,
        php_ms: average(|one| one.php_ms, |one| one.calls),
        sidecar_ms: average(|one| one.sidecar_ms, |one| one.computed),
        agreed_lines: BTreeMap::new(),
        beside_ours: BTreeMap::new(),
        reasons: BTreeMap::new(),
        look_at: Vec::new(),
    };
    for verdict in [
        Verdict::Unexplained,
        Verdict::Overlapped,
        Verdict::Agreed,
        Verdict::Beside,
        Verdict::Uncompared,
    ] {
        let rows: Vec<ShadowRow> = sqlx::query_as(statements.shadow_of_verdict.sql())
            .bind(verdict.word())
            .bind(u64::MAX)
            .bind(since.naive_utc())
            .bind(READ)
            .fetch_all(&mut *connection)
            .await
            .doing(DOING)?;
        for row in rows {
            report.add(row.into());
        }
    }
    if interrupted > 0 {
        let why = "the process ended before the comparison".to_owned();
        report.reasons.insert(why, interrupted);
    }
    Ok(report)
}

impl ShadowReport {
    fn add(&mut self, call: ShadowedCall) {
        let findings = call.findings;
        for (what, counts) in [
            (findings.agreed, &mut self.agreed_lines),
            (findings.beside, &mut self.beside_ours),
            (findings.uncompared.into_iter().collect(), &mut self.reasons),
        ] {
            for one in what {
                *counts.entry(one).or_default() += 1;
            }
        }
        let is_unexplained = call.verdict.as_deref() == Some(Verdict::Unexplained.word());
        if is_unexplained && self.look_at.len() < NAMED {
            let mut differences = findings.unexplained.into_iter();
            self.look_at.push(LookAt {
                id: call.id,
                started_at: call.started_at,
                webhook_id: call.webhook_id,
                first: differences.next(),
                more: differences.len() + findings.more,
            });
        }
    }

    /// What is in the way of a switch; `None` if nothing is.
    pub fn obstacle(&self) -> Option<String> {
        match self.unexplained {
            // What is refused shows little.
            0 if self.equal + self.beside == 0 => {
                Some("no call was found equal yet: send one to a webhook for tests".to_owned())
            }
            0 => None,
            1 => Some(
                "1 call differs from what the sidecar would have done, and nothing explains it"
                    .to_owned(),
            ),
            calls => Some(format!(
                "{calls} calls differ from what the sidecar would have done, and nothing explains it"
            )),
        }
    }
}
