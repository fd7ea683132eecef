//! What is not as it should be, and what to do about it.

use std::sync::Arc;
use std::time::Duration;

use minijinja::{Value, context};

use super::answer::{Answer, Trouble};
use super::text::{count, span};
use super::visit::Visit;
use crate::check::{Finding, Status};

/// For so long, a report is shown again.
pub(super) const FRESH: Duration = Duration::from_mins(10);

pub(super) async fn show(visit: &Visit) -> Result<Answer, Trouble> {
    let console = Arc::clone(&visit.console.clone().into_inner());
    let report = console.report(&visit.front, FRESH).await;
    let (age, report) = report.ok_or(Trouble::Aborted)?;
    let of = |status: Status| {
        report
            .checks
            .iter()
            .filter(move |check| check.status == status)
    };
    let bad: Vec<Value> = [Status::Failed, Status::Warning]
        .into_iter()
        .flat_map(of)
        .map(finding)
        .collect();
    let well: Vec<Value> = [Status::Ok, Status::Skipped]
        .into_iter()
        .flat_map(of)
        .map(finding)
        .collect();
    let many = |status, one, many| {
        let amount = of(status).count() as u64;
        (amount > 0).then(|| count(amount, one, many))
    };
    let values = context! {
        failed => many(Status::Failed, "check failed", "checks failed"),
        warnings => many(Status::Warning, "warning", "warnings"),
        ok => of(Status::Ok).count(),
        skipped => of(Status::Skipped).count(),
        bad,
        well,
        age => (age.as_secs() > 0).then(|| span(age.as_secs())),
    };
    Ok(Answer::page("check.html", "Check", values))
}

/// Checks everything again.
pub(super) async fn again(visit: &Visit) -> Result<Answer, Trouble> {
    let console = Arc::clone(&visit.console.clone().into_inner());
    // Whoever asks twice at once gets one report.
    let report = console.report(&visit.front, Duration::from_secs(2)).await;
    report.ok_or(Trouble::Aborted)?;
    Ok(Answer::done(
        "check",
        "Everything was checked again.".to_owned(),
    ))
}

fn finding(check: &Finding) -> Value {
    let (class, word) = match check.status {
        Status::Ok => ("good", "ok"),
        Status::Warning => ("warn", "warning"),
        Status::Failed => ("bad", "failed"),
        Status::Skipped => ("quiet", "skipped"),
    };
    context! { name => check.name, class, word, found => &check.found, remedy => check.remedy.as_deref() }
}
