//! Hooks for WordPress to fire: what have plugins not heard of, and whose fault is it?

use minijinja::{Value, context};

use super::answer::{Answer, Trouble};
use super::news;
use super::spaces::Titles;
use super::text::{count, number, span};
use super::visit::Visit;
use crate::operations::Retried;
use crate::operations::hooks::{self, TroubledEvent};

pub(super) async fn list(visit: &Visit) -> Result<Answer, Trouble> {
    // Not what a reload has read: the relay changes with a restart only.
    let is_on = visit.front.calls.bells.relay.is_some();
    visit.database()?;
    let relay = news::relay(visit).await?;
    let troubled = news::troubled(visit).await?;
    let (backlog, titles) = &*relay;
    let times = visit.times();
    // What a poll shows of the relay may be a minute old; the counts are those of the metrics.
    if !visit.is_poll && is_on {
        visit.front.metrics.set_hooks(backlog, times.now);
    }
    let glance = visit.front.metrics.glance();
    let (pending, dead) = if visit.is_poll && is_on {
        (glance.hooks_pending, glance.hooks_dead)
    } else {
        (backlog.pending, backlog.dead)
    };
    let oldest = backlog.oldest_pending.filter(|_| pending > 0);
    let oldest = oldest.map(|oldest| {
        let seconds = (times.now - oldest).num_seconds();
        span(u64::try_from(seconds).unwrap_or_default())
    });
    let values = context! {
        is_on,
        pending => number(pending),
        oldest,
        dead => number(dead),
        has_dead => dead > 0,
        interrupted => number(backlog.interrupted),
        delay => backlog.last_delay.map(|delay| format!("{}.{} s", delay.as_secs(), delay.subsec_millis() / 100)),
        events => troubled.iter().map(|event| row(event, titles, visit)).collect::<Vec<_>>(),
        is_cut => troubled.len() >= news::HOOKS as usize,
    };
    Ok(Answer::page("hooks.html", "Hooks", values))
}

fn row(event: &TroubledEvent, titles: &Titles, visit: &Visit) -> Value {
    let is_dead = event.state == "dead";
    context! {
        id => event.id,
        user_id => event.user_id,
        kind => &event.kind,
        place => event.space_id.map(|id| titles.title(id)),
        is_dead,
        attempts => event.attempts,
        interrupted => event.interrupted,
        due => visit.times().of_utc(event.due_at),
        words => event.last_error.as_deref(),
        since => visit.times().of_utc(event.created_at),
    }
}

pub(super) async fn retry(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    let due = make_due(visit, Retried::One(id)).await?;
    if due == 0 {
        let text = format!(
            "There was nothing to retry: hook {id} was fired meanwhile, is being fired, or is gone."
        );
        return Ok(Answer::not_done("hooks", text));
    }
    visit.log(&format!("hook {id} was made due"));
    Ok(Answer::done(
        "hooks",
        format!("Hook {id} is due at once, with all its attempts before it."),
    ))
}

pub(super) async fn retry_given_up(visit: &Visit) -> Result<Answer, Trouble> {
    let mut due = 0;
    loop {
        match make_due(visit, Retried::AllDead).await? {
            0 => break,
            batch => due += batch,
        }
    }
    if due == 0 {
        return Ok(Answer::not_done(
            "hooks",
            "No hook was given up.".to_owned(),
        ));
    }
    let many = count(due, "hook", "hooks");
    visit.log(&format!("{many} given up before were made due"));
    let are = if due == 1 { "is" } else { "are" };
    let text = format!("{many} given up before {are} due at once.");
    Ok(Answer::done("hooks", text))
}

async fn make_due(visit: &Visit, which: Retried) -> Result<u64, Trouble> {
    visit.change()?;
    let making = visit
        .write(move |connection, site| Box::pin(hooks::retry(connection, &site.statements, which)));
    let due = making.await?;
    if due > 0
        && let Some(bell) = &visit.front.calls.bells.relay
    {
        bell.notify_one();
    }
    Ok(due)
}

pub(super) async fn remove(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.change()?;
    let dropping = visit
        .write(move |connection, site| Box::pin(hooks::remove(connection, &site.statements, id)));
    if !dropping.await? {
        let text = format!("Hook {id} was not dropped: it is being fired, or gone.");
        return Ok(Answer::not_done("hooks", text));
    }
    visit.log(&format!("hook {id} was dropped"));
    Ok(Answer::done(
        "hooks",
        format!("Hook {id} is dropped: plugins never hear of it."),
    ))
}
