//! `fcom-sidecar shadow`: what was found of calls that PHP executed in shadow mode.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use clap::Subcommand;

use super::database::with_database;
use super::record::{self, recorded};
use super::terminal::answer;
use crate::config::Config;
use crate::operations::record::Record;
use crate::operations::shadow::{LookAt, ShadowReport, ShadowedCall, ShadowedCalls, report};

/// What to show of the comparisons.
#[derive(Debug, Subcommand)]
pub(super) enum Shadow {
    /// Sums up what was found, and names the calls to look at
    Report {
        /// Only calls since then: a date such as 2026-11-26, or a span such as 7d, 12h or 30m
        #[arg(long)]
        since: Option<String>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows one call: what the sidecar would have left, and what PHP left
    Show {
        /// Its number
        id: u64,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Shadow, config: &Config) -> anyhow::Result<()> {
    with_database(config, async |database| {
        let (connection, statements) = (&mut database.connection, &database.site.statements);
        match command {
            Shadow::Report { since, json } => {
                let now = database.site.clock.now();
                let since = since
                    .as_deref()
                    .map(|since| begin(since, now))
                    .transpose()?;
                let since = since.unwrap_or(DateTime::UNIX_EPOCH);
                let report = report(connection, statements, since).await?;
                answer(*json, &report, lines)
            }
            Shadow::Show { id, json } => {
                let call = ShadowedCalls::show(connection, statements, *id).await?;
                let call = call.with_context(|| {
                    format!(
                        "there is no call {id} in shadow mode: they are kept for shadow.retention_days"
                    )
                })?;
                answer(*json, &call, card)
            }
        }
    })
}

fn begin(since: &str, now: DateTime<Utc>) -> anyhow::Result<DateTime<Utc>> {
    if let Ok(date) = since.parse::<NaiveDate>() {
        return Ok(date.and_time(chrono::NaiveTime::MIN).and_utc());
    }
    let unit = since.char_indices().next_back();
    let span = unit.and_then(|(at, unit)| {
        let number = since[..at].parse().ok()?;
        match unit {
            'd' => TimeDelta::try_days(number),
            'h' => TimeDelta::try_hours(number),
            'm' => TimeDelta::try_minutes(number),
            _ => None,
        }
    });
    match span.and_then(|span| now.checked_sub_signed(span)) {
        Some(begin) => Ok(begin),
        None => bail!(
            "\"{since}\" is no time: write a date such as 2026-11-26, or a span such as 7d, 12h or 30m"
        ),
    }
}

fn lines(report: &ShadowReport) -> Vec<String> {
    let ms = |ms: Option<u64>| ms.map_or_else(|| "not known".to_owned(), |ms| format!("{ms} ms"));
    let mut lines = vec![
        format!("calls:        {}", report.calls),
        format!("equal:        {}", report.equal),
        format!("beside:       {}", report.beside),
        format!("agreed:       {}", report.agreed),
        format!("overlapped:   {}", report.overlapped),
        format!("unexplained:  {}", report.unexplained),
        format!("not compared: {}", report.uncompared),
    ];
    if report.running > 0 {
        lines.push(format!("running:      {}", report.running));
    }
    lines.push(format!("PHP took:     {}", ms(report.php_ms)));
    lines.push(format!("sidecar took: {}", ms(report.sidecar_ms)));
    for (title, counts) in [
        (
            "Agreed, by their lines in docs/differences.md:",
            &report.agreed_lines,
        ),
        (
            "Of others, beside what the sidecar writes:",
            &report.beside_ours,
        ),
        ("Not compared, because:", &report.reasons),
    ] {
        lines.extend(section(title, counts));
    }
    if !report.look_at.is_empty() {
        lines.push(String::new());
        lines.push("To look at with \"fcom-sidecar shadow show\":".to_owned());
        lines.extend(report.look_at.iter().map(look_at));
    }
    lines.push(String::new());
    lines.push(match report.obstacle() {
        Some(obstacle) => format!("Not ready to switch: {obstacle}."),
        None => "Ready to switch: nothing unexplained.".to_owned(),
    });
    lines
}

fn section(title: &str, counts: &BTreeMap<String, u64>) -> Vec<String> {
    if counts.is_empty() {
        return Vec::new();
    }
    let head = [String::new(), title.to_owned()].into_iter();
    let counts = counts.iter();
    head.chain(counts.map(|(what, calls)| format!("{calls:>8}  {what}")))
        .collect()
}

fn look_at(call: &LookAt) -> String {
    let place = call.first.as_ref().map_or("", |first| first.place.as_str());
    let more = match call.more {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let started = call.started_at.format("%Y-%m-%d %H:%M:%S");
    format!("{:>8}  {started}  {place}{more}", call.id)
}

fn card(call: &ShadowedCall) -> Vec<String> {
    let status =
        |status: Option<u16>| status.map_or_else(|| "none".to_owned(), |one| one.to_string());
    let ms = |ms: Option<u32>| ms.map_or_else(String::new, |ms| format!(" in {ms} ms"));
    let webhook = call
        .webhook_id
        .map(|id| record::webhook(id, call.webhook_title.as_deref()));
    let user = call.user_id.map(|id| id.to_string());
    let findings = &call.findings;
    let mut lines = vec![
        format!("call:      {}", call.id),
        format!(
            "began:     {}",
            call.started_at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        format!("webhook:   {}", webhook.as_deref().unwrap_or("not known")),
        format!("user:      {}", user.as_deref().unwrap_or("none")),
        format!(
            "sidecar:   {}{}",
            status(call.sidecar_status),
            ms(call.sidecar_ms)
        ),
        format!("PHP:       {}{}", status(call.php_status), ms(call.php_ms)),
        format!("request:   {}", recorded(call.request_id.as_deref())),
        format!(
            "verdict:   {}",
            call.verdict.as_deref().unwrap_or("running, or interrupted")
        ),
    ];
    lines.extend(
        findings
            .agreed
            .iter()
            .map(|line| format!("agreed:    {line}")),
    );
    lines.extend(
        findings
            .beside
            .iter()
            .map(|what| format!("beside:    {what}")),
    );
    let why = findings.uncompared.iter();
    lines.extend(why.map(|why| format!("because:   {why}")));
    if findings.overlapped {
        lines.push("at once:   calls for the same member, or for the same names".to_owned());
    }
    for one in &findings.unexplained {
        lines.push(String::new());
        lines.push(one.place.clone());
        lines.push(format!("  - {}", side(one.sidecar.as_deref(), "sidecar")));
        lines.push(format!("  + {}", side(one.php.as_deref(), "PHP")));
    }
    if findings.more > 0 {
        lines.push(format!("and {} more that are not kept", findings.more));
    }
    lines
}

/// A side of the difference, `-` and `+` as in a patch that leads from the sidecar to PHP.
fn side(value: Option<&str>, whose: &str) -> String {
    match value {
        Some("") => format!("{whose}: empty"),
        Some(value) => format!("{whose}: {value}"),
        None => format!("{whose}: nothing"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_begins_at_a_date_or_before_now() {
        let now = "2026-11-27T12:00:00Z".parse().unwrap();
        for (since, expected) in [
            ("2026-11-26", Some("2026-11-26T00:00:00Z")),
            ("7d", Some("2026-11-20T12:00:00Z")),
            ("12h", Some("2026-11-27T00:00:00Z")),
            ("30m", Some("2026-11-27T11:30:00Z")),
            ("99999999999999d", None),
            ("yesterday", None),
            ("7é", None),
            ("", None),
        ] {
            let expected = expected.map(|text| text.parse::<DateTime<Utc>>().unwrap());
            assert_eq!(begin(since, now).ok(), expected, "{since}");
        }
    }
}
