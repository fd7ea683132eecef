//! Welcome mails: which have not left, and why?

use std::sync::Arc;

use minijinja::{Value, context};

use super::answer::{Answer, Trouble};
use super::news;
use super::text::count;
use super::visit::Visit;
use crate::config::Transport;
use crate::operations::Retried;
use crate::operations::backlog;
use crate::operations::instances::{self, Running};
use crate::operations::mails::{self, OutboxMail};

/// Mails on a page.
const PAGE: u32 = 50;
/// States with a page of their own.
const STATES: [(&str, &str); 4] = [
    ("dead", "Given up"),
    ("pending", "Waiting"),
    ("sent", "Sent"),
    ("skipped", "Skipped"),
];

pub(super) async fn list(visit: &Visit) -> Result<Answer, Trouble> {
    visit.database()?;
    let asked = visit.asked("state").unwrap_or_default();
    let known = STATES.iter().find(|(state, _)| *state == asked);
    let (state, before) = (known.map(|(state, _)| *state), visit.before());
    let is_all = asked == "all";
    let is_paged = is_all || state.is_some();
    let running = news::running(visit).await?;
    let mut mails = if is_paged {
        let reading = visit.read(move |connection, site| {
            Box::pin(mails::list(
                connection,
                &site.statements,
                state,
                before,
                PAGE + 1,
            ))
        });
        reading.await?
    } else {
        news::unsent(visit).await?.to_vec()
    };
    let more = is_paged && mails.len() > PAGE as usize;
    if more {
        mails.truncate(PAGE as usize);
    }
    let older = mails
        .last()
        .filter(|_| more)
        .map(|mail| format!("state={asked}&before={}", mail.id));
    if !visit.is_poll {
        // Whoever has just retried or dropped some sees it, in the navigation, too.
        let reading = visit.read(|connection, site| {
            Box::pin(backlog::runs_and_mails(connection, &site.statements))
        });
        let now = visit.front.site.clock.now();
        visit.front.metrics.set_backlog(&reading.await?, now);
    }
    let glance = visit.front.metrics.glance();
    let (dead, waiting) = (glance.mails_dead, glance.mails_pending);
    let tabs = STATES.iter().chain([&("all", "All")]);
    let tabs = tabs.map(|&(state, name)| context! { state, name, is_here => state == asked });
    let values = context! {
        mails => mails.into_iter().map(|mail| row(mail, &running, visit)).collect::<Vec<_>>(),
        tabs => tabs.collect::<Vec<_>>(),
        is_unsent => !is_paged,
        is_newest => before.is_none(),
        older,
        dead => (dead > 0).then(|| count(dead, "mail was", "mails were")),
        waiting => (waiting > 0).then(|| count(waiting, "waits", "wait")),
        stuck => running.iter().filter_map(Running::stuck).map(|one| one.to_string()).collect::<Vec<_>>(),
        is_off => visit.console.config.borrow().mail.transport == Transport::Off,
        is_wordpress => visit.console.config.borrow().mail.transport == Transport::WordPress,
    };
    Ok(Answer::page("mails.html", "Mails", values))
}

pub(super) async fn show(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.database()?;
    let site = Arc::clone(&visit.front.site);
    let texts = Arc::clone(&visit.front.mail_text.borrow());
    let work = async move {
        let statements = &site.statements;
        let mail = site
            .pool
            .work(async |connection| mails::show(connection, statements, id).await);
        let mail = mail.await?;
        let is_unsent = mail.as_ref().is_some_and(|mail| mail.state != "sent");
        let text = if is_unsent {
            texts.of_mail(&site, id).await?
        } else {
            None
        };
        Ok((mail, text))
    };
    let running = news::running(visit).await?;
    let (mail, text) = visit.on_main_runtime(work).await?;
    let Some(mail) = mail else {
        let why = "It was dropped, or its time is up: mail.retention_days says how long mails are remembered.";
        return Err(Trouble::NotFound(format!("There is no mail {id}"), why));
    };
    let text = text.map(|(subject, body)| context! { subject, body });
    let values = context! { mail => row(mail, &running, visit), text };
    Ok(Answer::page("mail.html", format!("Mail {id}"), values))
}

fn row(mut mail: OutboxMail, running: &[Running], visit: &Visit) -> Value {
    mail.waits_for(running);
    let times = visit.times();
    let is_pending = mail.state == "pending";
    let is_due = is_pending && mail.next_attempt_at <= times.now.naive_utc();
    context! {
        id => mail.id,
        user_id => mail.user_id,
        login => mail.user_login.as_deref(),
        webhook_id => mail.webhook_id,
        state => state(&mail),
        words => mail.last_error.as_deref(),
        attempts => mail.attempts,
        promised => times.of_utc(mail.created_at),
        next => (is_pending && !is_due).then(|| times.of_utc(mail.next_attempt_at)),
        is_due,
        finished => mail.finished_at.map(|at| times.of_utc(at)),
        is_dead => mail.state == "dead",
        can_be_retried => mail.state != "sent",
    }
}

/// A mail's state: the class and the word.
pub(super) fn state(mail: &OutboxMail) -> Value {
    let (class, word) = match mail.state.as_str() {
        "dead" => ("bad", "Given up"),
        "pending" => ("wait", "Waiting"),
        "sent" => ("good", "Sent"),
        "skipped" => ("quiet", "Skipped"),
        other => ("wait", other),
    };
    context! { class, word }
}

/// Where a form about this mail leads back to.
fn back(visit: &Visit, id: u64) -> String {
    match visit.given("back") {
        Some("mail") => format!("mails/{id}"),
        _ => "mails".to_owned(),
    }
}

pub(super) async fn retry(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    let due = make_due(visit, Retried::One(id)).await?;
    if due == 0 {
        let text = format!(
            "There was nothing to retry: mail {id} has left meanwhile, is on its way, or is gone."
        );
        return Ok(Answer::not_done(back(visit, id), text));
    }
    visit.log(&format!("mail {id} was made due"));
    let text = format!("Mail {id} is due at once, with all its attempts before it.");
    Ok(Answer::done(back(visit, id), text))
}

pub(super) async fn retry_given_up(visit: &Visit) -> Result<Answer, Trouble> {
    let due = make_due(visit, Retried::AllDead).await?;
    if due == 0 {
        return Ok(Answer::not_done(
            "mails",
            "No mail was given up.".to_owned(),
        ));
    }
    let many = count(due, "mail", "mails");
    visit.log(&format!("{many} given up before were made due"));
    let are = if due == 1 { "is" } else { "are" };
    let text = format!("{many} given up before {are} due at once.");
    Ok(Answer::done("mails", text))
}

async fn make_due(visit: &Visit, which: Retried) -> Result<u64, Trouble> {
    visit.change()?;
    let making = visit.write(move |connection, site| {
        Box::pin(async move {
            let (statements, now) = (&site.statements, site.clock.now());
            let due = mails::retry(connection, statements, which, now).await?;
            instances::ask_for_tries(connection, statements).await?;
            Ok(due)
        })
    });
    let due = making.await?;
    if due > 0 {
        visit.front.calls.bells.mail.notify_one();
    }
    Ok(due)
}

pub(super) async fn remove(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.change()?;
    let dropping = visit.write(move |connection, site| {
        let now = site.clock.now();
        Box::pin(mails::remove(connection, &site.statements, id, now))
    });
    if !dropping.await? {
        let text = format!("Mail {id} was not dropped: it is on its way, or gone.");
        return Ok(Answer::not_done("mails", text));
    }
    visit.log(&format!("mail {id} was dropped"));
    Ok(Answer::done(
        "mails",
        format!("Mail {id} is dropped: it is never sent."),
    ))
}
