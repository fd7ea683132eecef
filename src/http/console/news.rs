//! What open pages ask for by themselves, again and again: read once for all who look, one statement each time.

use std::sync::Arc;
use std::time::Duration;

use super::answer::Trouble;
use super::spaces::Titles;
use super::visit::Visit;
use crate::fluentcommunity::webhooks::SpacesAndCourses;
use crate::operations::backlog;
use crate::operations::hooks::{self, TroubledEvent};
use crate::operations::instances::{self, Running};
use crate::operations::mails::{self, OutboxMail};
use crate::operations::record::{Part, Record, RecordError};
use crate::operations::runs::{self, ExecutedCalls, RunPage, RunQuery};
use crate::telemetry::Hooks;

/// Pages ask every five seconds, and get nothing older than this.
const FRESH: Duration = Duration::from_secs(4);
/// The same for what seldom changes.
const STEADY: Duration = Duration::from_mins(1);

/// Runs on a page.
pub(super) const RUNS: u32 = 50;
/// Mails of each state on the page of those that have not left.
const MAILS: u32 = 50;
/// Hooks on their page.
pub(super) const HOOKS: u32 = 100;

/// Whoever loads a page sees what is there now.
fn at_most(visit: &Visit, age: Duration) -> Duration {
    if visit.is_poll { age } else { Duration::ZERO }
}

/// The instances that run.
pub(super) async fn running(visit: &Visit) -> Result<Arc<Vec<Running>>, Trouble> {
    let reading =
        visit.read(|connection, site| Box::pin(instances::running(connection, &site.statements)));
    let news = &visit.console.news;
    news.running.get(at_most(visit, STEADY), reading).await
}

/// The newest runs. A poll looks whether there is one that is not known: also among those that are, because a call whose run has a
/// smaller id may commit later.
pub(super) async fn runs(visit: &Visit) -> Result<Arc<RunPage>, Trouble> {
    let news = &visit.console.news;
    let known = news.runs.latest().await.filter(|_| visit.is_poll);
    let query = RunQuery {
        user: None,
        part: Part {
            webhook: None,
            before: None,
            limit: RUNS,
        },
    };
    let reading = visit.read(move |connection, site| {
        Box::pin(async move {
            let statements = &site.statements;
            if let Some(known) = &known {
                let newest = runs::newest(connection, statements, RUNS).await?;
                if newest.into_iter().eq(known.runs.iter().map(|run| run.id)) {
                    return Ok(RunPage::clone(known));
                }
            }
            match ExecutedCalls::list(connection, statements, &query).await {
                Err(RecordError::Database(error)) => Err(error),
                // What is not filtered can always be listed.
                answer => Ok(answer.unwrap_or(RunPage {
                    runs: Vec::new(),
                    next_before: None,
                })),
            }
        })
    });
    news.runs.get(at_most(visit, FRESH), reading).await
}

/// The newest mails that have not left: those given up, then those that wait.
pub(super) async fn unsent(visit: &Visit) -> Result<Arc<Vec<OutboxMail>>, Trouble> {
    let reading =
        visit.read(|connection, site| Box::pin(mails::unsent(connection, &site.statements, MAILS)));
    let news = &visit.console.news;
    news.unsent.get(at_most(visit, FRESH), reading).await
}

/// Hooks that were given up or are failing.
pub(super) async fn troubled(visit: &Visit) -> Result<Arc<Vec<TroubledEvent>>, Trouble> {
    let reading = visit
        .read(|connection, site| Box::pin(hooks::troubled(connection, &site.statements, HOOKS)));
    let news = &visit.console.news;
    news.troubled.get(at_most(visit, FRESH), reading).await
}

/// The state of the relay, and the titles that hooks speak of.
pub(super) async fn relay(visit: &Visit) -> Result<Arc<(Hooks, Titles)>, Trouble> {
    let reading = visit.read(|connection, site| {
        Box::pin(async move {
            let hooks = backlog::hooks(connection, &site.statements).await?;
            let spaces = SpacesAndCourses::read(connection, &site.statements).await?;
            Ok((hooks, Titles::of(&spaces)))
        })
    });
    let news = &visit.console.news;
    news.relay.get(at_most(visit, STEADY), reading).await
}
