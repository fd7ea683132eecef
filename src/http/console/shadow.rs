//! Calls in shadow mode: may the sidecar execute them?

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use minijinja::{Value, context};

use super::answer::{Answer, Trouble};
use super::text::{count, number};
use super::visit::Visit;
use crate::operations::record::Record;
use crate::operations::shadow::{LookAt, ShadowReport, ShadowedCall, ShadowedCalls, report};
use crate::outcome::Verdict;

/// The report, optionally since a day.
pub(super) async fn list(visit: &Visit) -> Result<Answer, Trouble> {
    visit.database()?;
    let times = visit.times();
    let day = visit
        .asked("since")
        .and_then(|day| day.parse::<NaiveDate>().ok());
    let since = day.map(|day| times.zone.utc(day.and_time(NaiveTime::MIN)));
    let begin = since.unwrap_or(DateTime::<Utc>::UNIX_EPOCH);
    let reading =
        visit.read(move |connection, site| Box::pin(report(connection, &site.statements, begin)));
    let report = reading.await?;
    let values = context! {
        is_on => visit.front.shadow.is_some(),
        since => day.map(|day| day.to_string()),
        calls => number(report.calls),
        has_calls => report.calls > 0,
        is_one => report.calls == 1,
        running => (report.running > 0).then(|| count(report.running, "call runs", "calls run")),
        shares => shares(&report),
        verdicts => verdicts(&report),
        unexplained => report.unexplained,
        php_ms => report.php_ms.map(number),
        sidecar_ms => report.sidecar_ms.map(number),
        obstacle => report.obstacle(),
        look_at => report.look_at.iter().map(|one| look_at(one, visit)).collect::<Vec<_>>(),
        agreed => counted(&report.agreed_lines),
        beside => counted(&report.beside_ours),
        reasons => counted(&report.reasons),
        days => visit.console.shadow_days,
    };
    Ok(Answer::page("shadow.html", "Shadow", values))
}

/// How many calls have this verdict; what it means.
fn verdicts(report: &ShadowReport) -> Vec<Value> {
    let all = [
        ("equal", "Equal", report.equal, "row by row"),
        ("agreed", "Agreed", report.agreed, "differ as documented"),
        (
            "beside",
            "Beside",
            report.beside,
            "with rows of other plugins",
        ),
        (
            "overlapped",
            "Overlapped",
            report.overlapped,
            "the member had another call",
        ),
        (
            "unexplained",
            "Unexplained",
            report.unexplained,
            "look at them below",
        ),
        (
            "uncompared",
            "Not compared",
            report.uncompared,
            "see below why",
        ),
    ];
    let value = |(class, word, calls, meaning): (&str, &str, u64, &str)| {
        context! { class, word, calls => number(calls), is_any => calls > 0, meaning }
    };
    all.map(value).to_vec()
}

/// The verdicts as a bar of a thousand units: the class, the left end and the width.
fn shares(report: &ShadowReport) -> Vec<Value> {
    let all = [
        ("equal", report.equal),
        ("agreed", report.agreed),
        ("beside", report.beside),
        ("overlapped", report.overlapped),
        ("unexplained", report.unexplained),
        ("uncompared", report.uncompared),
    ];
    let sum = all.iter().map(|(_, calls)| calls).sum::<u64>().max(1);
    let mut left = 0;
    let mut shares = Vec::new();
    for (class, calls) in all {
        // One call of a million is to be seen, too.
        let width = (calls * 1000 / sum).max(u64::from(calls > 0) * 4);
        if width > 0 {
            shares.push(context! { class, left, width });
        }
        left += width;
    }
    shares
}

fn look_at(call: &LookAt, visit: &Visit) -> Value {
    context! {
        id => call.id,
        at => visit.times().of(call.started_at),
        webhook_id => call.webhook_id,
        place => call.first.as_ref().map(|first| first.place.as_str()),
        more => (call.more > 0).then(|| number(call.more as u64)),
    }
}

fn counted(counts: &BTreeMap<String, u64>) -> Vec<Value> {
    let counts = counts.iter();
    counts
        .map(|(what, calls)| context! { what, calls => number(*calls) })
        .collect()
}

/// One call: what the sidecar would have left, and what PHP left.
pub(super) async fn show(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.database()?;
    let reading = visit.read(move |connection, site| {
        Box::pin(ShadowedCalls::show(connection, &site.statements, id))
    });
    let Some(call) = reading.await? else {
        let why = "Calls in shadow mode are kept for some time, which shadow.retention_days says.";
        return Err(Trouble::NotFound(format!("There is no call {id}"), why));
    };
    let values = card(&call, visit);
    Ok(Answer::page("shadowed.html", format!("Call {id}"), values))
}

fn card(call: &ShadowedCall, visit: &Visit) -> Value {
    let findings = &call.findings;
    let (class, word) = verdict(call.verdict.as_deref());
    let differences = findings.unexplained.iter();
    let differences = differences.map(|one| {
        context! { place => &one.place, php => one.php.as_deref(), sidecar => one.sidecar.as_deref() }
    });
    let title = call.webhook_title.clone();
    let title = title.filter(|title| !title.trim().is_empty());
    context! {
        id => call.id,
        at => visit.times().full(call.started_at),
        state => context! { class, word },
        webhook_id => call.webhook_id,
        webhook => title.or_else(|| Some(format!("webhook {}", call.webhook_id?))),
        user_id => call.user_id,
        php => side(call.php_status, call.php_ms),
        sidecar => side(call.sidecar_status, call.sidecar_ms),
        request => call.request_id.as_deref(),
        agreed => &findings.agreed,
        beside => &findings.beside,
        because => findings.uncompared.as_deref(),
        overlapped => findings.overlapped,
        differences => differences.collect::<Vec<_>>(),
        more => (findings.more > 0).then(|| number(findings.more as u64)),
    }
}

/// `200 in 83 ms`.
fn side(status: Option<u16>, ms: Option<u32>) -> String {
    let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let ms = ms.map(|ms| format!(" in {} ms", number(ms.into())));
    format!("{status}{}", ms.unwrap_or_default())
}

fn verdict(word: Option<&str>) -> (&'static str, &'static str) {
    let known = Verdict::ALL.iter().find(|one| Some(one.word()) == word);
    match known {
        Some(Verdict::Equal) => ("good", "Equal"),
        Some(Verdict::Beside) => ("good", "Equal, with rows of others beside"),
        Some(Verdict::Agreed) => ("known", "Differs as documented"),
        Some(Verdict::Overlapped) => ("warn", "Differs, beside another call at the same time"),
        Some(Verdict::Unexplained) => ("bad", "Differs, and nothing explains it"),
        Some(Verdict::Uncompared) => ("quiet", "Not compared"),
        None => ("wait", "Runs, or was broken off"),
    }
}
