//! One executed call: what it changed, and what followed.

use std::time::Duration;

use minijinja::context;

use super::answer::{Answer, Trouble};
use super::mails::state;
use super::runs::title;
use super::spaces::Titles;
use super::text::milliseconds;
use super::visit::Visit;
use crate::fluentcommunity::webhooks::SpacesAndCourses;
use crate::operations::mails::{self, OutboxMail};
use crate::operations::record::Record;
use crate::operations::runs::{ExecutedCalls, LoggedRun};

pub(super) async fn show(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.database()?;
    let reading = visit.read(move |connection, site| {
        Box::pin(async move {
            let statements = &site.statements;
            let Some(run) = ExecutedCalls::show(connection, statements, id).await? else {
                return Ok(None);
            };
            let mails = mails::of_user(connection, statements, run.user_id).await?;
            let spaces = SpacesAndCourses::read(connection, statements).await?;
            Ok(Some((run, mails, spaces)))
        })
    });
    let Some((run, mails, spaces)) = reading.await? else {
        let why = "Runs are kept for some time, which runs.retention_days says.";
        return Err(Trouble::NotFound(format!("There is no run {id}"), why));
    };
    let (titles, times) = (Titles::of(&spaces), visit.times());
    let of_run = |mail: &&OutboxMail| promised(&run) && mail.webhook_id == run.webhook_id;
    let mail = mails.iter().find(of_run).map(|mail| {
        context! {
            id => mail.id,
            state => state(mail),
            words => mail.last_error.as_deref(),
            finished => mail.finished_at.map(|at| times.of_utc(at)),
        }
    });
    let places = |name: &str| {
        let ids = run.changes[name].as_array().cloned().unwrap_or_default();
        let ids = ids.iter().filter_map(serde_json::Value::as_u64);
        ids.map(|id| context! { id, title => titles.title(id), is_course => titles.is_course(id) })
            .collect::<Vec<_>>()
    };
    let flag = |name: &str| run.changes[name].as_bool().unwrap_or_default();
    let values = context! {
        id,
        is_new => run.outcome == "created",
        at => times.full(run.executed_at),
        member => run.user_login.as_deref(),
        user_id => run.user_id,
        webhook => title(&run),
        webhook_id => run.webhook_id,
        took => milliseconds(Duration::from_millis(run.duration_ms.into())),
        from => run.client_address.as_deref(),
        request => run.request_id.as_deref(),
        counted => run.counted,
        profile => flag("profile"),
        added_to_site => flag("added_to_site"),
        promised => promised(&run),
        joined => places("joined"),
        left => places("left"),
        mail,
    };
    Ok(Answer::page("run.html", format!("Run {id}"), values))
}

fn promised(run: &LoggedRun) -> bool {
    run.changes["welcome_mail"].as_bool().unwrap_or_default()
}
