//! Executed calls: what happened to this member?

use std::time::Duration;

use minijinja::{Value, context};

use super::answer::{Answer, Trouble};
use super::news;
use super::text::{Times, milliseconds};
use super::visit::Visit;
use crate::operations::find::{Found, Sought, find};
use crate::operations::record::{Part, RecordError};
use crate::operations::runs::{ExecutedCalls, LoggedRun, RunPage, RunQuery};

/// What was found, or why nothing can be.
enum Listed {
    Page(RunPage),
    Found(Box<Found>),
    Unknown(String),
}

pub(super) async fn list(visit: &Visit) -> Result<Answer, Trouble> {
    visit.database()?;
    let (member, webhook) = (visit.asked("member"), visit.asked("webhook"));
    let request = visit.asked("request");
    let is_filtered = member.or(webhook).or(request).is_some();
    let is_newest = visit.before().is_none();
    let listed = match request {
        Some(request) => by_request(visit, request, member, webhook).await?,
        None if is_filtered || !is_newest => by_filter(visit, member, webhook).await?,
        None => Listed::Page(RunPage::clone(&*news::runs(visit).await?)),
    };
    let times = visit.times();
    let (runs, next, refused, unknown) = match listed {
        Listed::Page(page) => (page.runs, page.next_before, Vec::new(), None),
        Listed::Found(found) => (found.runs, None, found.refused, None),
        Listed::Unknown(why) => (Vec::new(), None, Vec::new(), Some(why)),
    };
    let older = next.map(|before| {
        let before = before.to_string();
        let all = [
            ("member", member),
            ("webhook", webhook),
            ("before", Some(&*before)),
        ];
        let given: Vec<(&str, &str)> = all
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        serde_urlencoded::to_string(given).unwrap_or_default()
    });
    let values = context! {
        runs => runs.iter().map(|run| row(run, &times)).collect::<Vec<_>>(),
        older,
        refused => refused.iter().map(|one| context! { id => one.id, outcome => &one.outcome }).collect::<Vec<_>>(),
        unknown,
        member,
        webhook,
        request,
        is_filtered,
        is_newest,
        is_live => is_newest && !is_filtered,
        days => visit.console.config.borrow().runs.retention_days,
    };
    Ok(Answer::page("runs.html", "Runs", values))
}

/// What became of a request, unless it was of another member or webhook. Of a refused call, the member is not known.
async fn by_request(
    visit: &Visit,
    request: &str,
    member: Option<&str>,
    webhook: Option<&str>,
) -> Result<Listed, Trouble> {
    let sought = Sought::Name(request.to_owned());
    let query = query(visit, member, webhook);
    let finding = visit.read(move |connection, site| {
        Box::pin(async move {
            let meant = match query.meant(connection, &site.statements).await {
                Err(RecordError::Database(error)) => return Err(error),
                Err(unknown) => return Ok(Err(unknown)),
                Ok(meant) => meant,
            };
            Ok(Ok((find(connection, site, &sought).await?, meant)))
        })
    });
    let (mut found, meant) = match finding.await? {
        Ok(found) => found,
        Err(unknown) => return Ok(Listed::Unknown(unknown.to_string())),
    };
    // A user of that name is looked for as a member.
    if found.user_id.is_some() {
        found.runs.clear();
    }
    let is_its = |id| meant.webhook.is_none_or(|webhook| id == Some(webhook));
    found.runs.retain(|run| {
        is_its(Some(run.webhook_id)) && meant.user.is_none_or(|user| user == run.user_id)
    });
    found.refused.retain(|call| is_its(call.webhook_id));
    Ok(Listed::Found(Box::new(found)))
}

fn query(visit: &Visit, member: Option<&str>, webhook: Option<&str>) -> RunQuery {
    RunQuery {
        user: member.map(str::to_owned),
        part: Part {
            webhook: webhook.map(str::to_owned),
            before: visit.before(),
            limit: news::RUNS,
        },
    }
}

async fn by_filter(
    visit: &Visit,
    member: Option<&str>,
    webhook: Option<&str>,
) -> Result<Listed, Trouble> {
    let query = query(visit, member, webhook);
    Ok(match visit.page::<ExecutedCalls>(query).await? {
        Ok(page) => Listed::Page(page),
        Err(error) => Listed::Unknown(error.to_string()),
    })
}

/// A run in a table.
pub(super) fn row(run: &LoggedRun, times: &Times) -> Value {
    context! {
        id => run.id,
        at => times.of(run.executed_at),
        user_id => run.user_id,
        login => run.user_login.as_deref(),
        webhook_id => run.webhook_id,
        webhook => title(run),
        is_new => run.outcome == "created",
        changed => changed(run),
        from => run.client_address.as_deref(),
        took => milliseconds(Duration::from_millis(run.duration_ms.into())),
    }
}

/// The webhook's title, or its id.
pub(super) fn title(run: &LoggedRun) -> String {
    let title = run
        .webhook_title
        .clone()
        .filter(|title| !title.trim().is_empty());
    title.unwrap_or_else(|| format!("webhook {}", run.webhook_id))
}

/// `profile, joined 3, mail`.
fn changed(run: &LoggedRun) -> Option<String> {
    let flag = |name: &str| run.changes[name].as_bool().unwrap_or_default();
    let many = |name: &str| run.changes[name].as_array().map_or(0, Vec::len);
    let (joined, left) = (many("joined"), many("left"));
    let parts = [
        flag("profile").then(|| "profile".to_owned()),
        flag("added_to_site").then(|| "site".to_owned()),
        (joined > 0).then(|| format!("joined {joined}")),
        (left > 0).then(|| format!("left {left}")),
        flag("welcome_mail").then(|| "mail".to_owned()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
