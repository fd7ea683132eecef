//! The overview: does it work, and what needs somebody?

use std::time::Duration;

use chrono::TimeDelta;
use minijinja::{Value, context};

use super::answer::{Answer, Trouble};
use super::charts::{self, Chart, left};
use super::news;
use super::runs::row;
use super::text::{count, milliseconds, number};
use super::visit::Visit;
use crate::operations::instances::Running;
use crate::site::Cause;
use crate::telemetry::{Glance, Hour};

/// Runs on the overview.
const LATEST: usize = 5;

pub(super) async fn show(visit: &Visit) -> Result<Answer, Trouble> {
    let front = &visit.front;
    let (glance, hour) = (front.metrics.glance(), front.metrics.last_hour());
    let is_away = front.site.readiness.has(Cause::Away);
    let (runs, running) = if is_away {
        (None, None)
    } else {
        let runs = news::runs(visit).await.ok();
        (runs, news::running(visit).await.ok())
    };
    let running = running.as_deref().map_or(&[][..], Vec::as_slice);
    let needs = needs(visit, &glance, running);
    let times = visit.times();
    let runs = runs.map(|page| {
        let latest = page.runs.iter().take(LATEST);
        latest.map(|run| row(run, &times)).collect::<Vec<_>>()
    });
    let instances: Vec<Value> = running
        .iter()
        .map(|one| context! { name => &one.name, trouble => one.stuck().map(|stuck| stuck.to_string()) })
        .collect();
    let reason = front.site.readiness.reason();
    let pool = front.site.pool.status();
    let per_minute = u64::from(hour.calls.executed()) / (hour.minutes.len() as u64).max(1);
    let values = context! {
        calls_a_minute => match per_minute {
            0 if hour.calls.executed() > 0 => "less than one call".to_owned(),
            _ => count(per_minute, "call", "calls"),
        },
        half_in => hour.took.map(|took| milliseconds(took.p50)),
        needs,
        since => hour.minutes.first().map(|one| times.minute(one.began)),
        // The charts end with the latest minute, and have room for sixty.
        axis => hour.minutes.last().map(|one| times.minute(one.began - TimeDelta::minutes(59))),
        until => hour.minutes.last().map(|one| times.minute(one.began)),
        figures => figures(&glance, &hour),
        calls => calls_chart(&hour, visit),
        took => took_chart(&hour, visit),
        minutes => minutes(&hour, visit),
        runs,
        instances,
        database => context! {
            reason => reason.as_ref().map(|reason| &reason.what),
            remedy => reason.as_ref().and_then(|reason| reason.remedy.as_deref()),
            in_use => pool.open.saturating_sub(pool.idle),
            allowed => pool.allowed,
            waiting => pool.waiting,
            clock => front.site.skew.complaint(),
        },
    };
    Ok(Answer::page("overview.html", "Overview", values))
}

/// What needs somebody, the worst first.
fn needs(visit: &Visit, glance: &Glance, running: &[Running]) -> Vec<Value> {
    let mut needs = Vec::new();
    let mut add = |is_bad: bool, what: String, why: String, path: &str, page: &str| {
        let kind = if is_bad { "bad" } else { "warn" };
        needs.push(context! { kind, what, why, path, page });
    };
    if let Some(reason) = visit.front.site.readiness.reason() {
        let remedy = reason.remedy.unwrap_or_default();
        let what = format!("Calls are not executed: {}.", reason.what);
        add(true, what, remedy, "check", "Check");
    }
    let given_up = |amount, one, many| {
        let were = if amount == 1 { "was" } else { "were" };
        format!("{} {were} given up.", count(amount, one, many))
    };
    if glance.mails_dead > 0 {
        let what = given_up(glance.mails_dead, "mail", "mails");
        let why = "The new members have no link to set a password.".to_owned();
        add(true, what, why, "mails?state=dead", "Mails");
    }
    if glance.hooks_dead > 0 {
        let what = given_up(glance.hooks_dead, "hook", "hooks");
        let why = "Plugins have not heard of it.".to_owned();
        add(true, what, why, "hooks", "Hooks");
    }
    for stuck in running.iter().filter(|one| one.stuck().is_some()) {
        let why = stuck
            .stuck()
            .map(|stuck| stuck.to_string())
            .unwrap_or_default();
        add(
            stuck.is_refused(),
            "Mails wait.".to_owned(),
            why,
            "mails",
            "Mails",
        );
    }
    let failed = visit.console.failed_checks() as u64;
    if failed > 0 {
        let what = format!("{} failed.", count(failed, "check", "checks"));
        add(true, what, String::new(), "check", "Check");
    }
    if let Some(complaint) = visit.front.site.skew.complaint() {
        add(
            false,
            "The clocks differ.".to_owned(),
            complaint,
            "check",
            "Check",
        );
    }
    needs
}

fn figures(glance: &Glance, hour: &Hour) -> Value {
    let calls = &hour.calls;
    let busiest = hour.minutes.iter().map(|one| one.calls.executed()).max();
    context! {
        executed => number(calls.executed().into()),
        busiest => number(busiest.unwrap_or_default().into()),
        new => number(calls.new.into()),
        repeated => number(calls.repeated.into()),
        refused => number(calls.refused.into()),
        failed => (calls.failed > 0).then(|| number(calls.failed.into())),
        p50 => hour.took.map(|took| milliseconds(took.p50)),
        p99 => hour.took.map(|took| milliseconds(took.p99)),
        mails => number(glance.mails_pending),
        mails_dead => (glance.mails_dead > 0).then(|| number(glance.mails_dead)),
        hooks => number(glance.hooks_pending),
        hooks_dead => (glance.hooks_dead > 0).then(|| number(glance.hooks_dead)),
    }
}

fn calls_chart(hour: &Hour, visit: &Visit) -> Value {
    let Chart { paths, top } = charts::calls(hour);
    let labels = [top, top / 2, 0].map(number).to_vec();
    let hits = hour.minutes.iter().enumerate().map(|(place, one)| {
        let (calls, began) = (&one.calls, visit.times().minute(one.began));
        let text = format!(
            "{began}: {}, {} new, {} refused, {} failed",
            count(calls.all().into(), "call", "calls"),
            calls.new,
            calls.refused,
            calls.failed
        );
        context! { x => left(place, hour.minutes.len()), text }
    });
    context! { paths => shapes(paths), labels, hits => hits.collect::<Vec<_>>() }
}

fn took_chart(hour: &Hour, visit: &Visit) -> Value {
    let Chart { paths, top } = charts::times(hour);
    let shown = |micros| format!("{} ms", milliseconds(Duration::from_micros(micros)));
    let labels = [top, top / 2, 0].map(shown).to_vec();
    let hits = hour.minutes.iter().enumerate().filter_map(|(place, one)| {
        let (took, began) = (one.took?, visit.times().minute(one.began));
        let (p50, p99) = (milliseconds(took.p50), milliseconds(took.p99));
        let text = format!("{began}: half in {p50} ms, 99 % in {p99} ms");
        Some(context! { x => left(place, hour.minutes.len()), text })
    });
    context! { paths => shapes(paths), labels, hits => hits.collect::<Vec<_>>() }
}

fn shapes(paths: Vec<charts::Path>) -> Vec<Value> {
    let drawn = paths.into_iter().filter(|(_, path)| !path.is_empty());
    drawn
        .map(|(class, path)| context! { class, path })
        .collect()
}

/// The same as numbers, the latest minute first.
fn minutes(hour: &Hour, visit: &Visit) -> Vec<Value> {
    let busy = hour.minutes.iter().rev().filter(|one| one.calls.all() > 0);
    busy.map(|one| {
        let calls = &one.calls;
        context! {
            at => visit.times().minute(one.began),
            new => calls.new,
            known => calls.known,
            repeated => calls.repeated,
            refused => calls.refused,
            failed => calls.failed,
            p50 => one.took.map(|took| milliseconds(took.p50)),
            p99 => one.took.map(|took| milliseconds(took.p99)),
        }
    })
    .collect()
}
