//! One webhook, the form of a new one, and the address when it is asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::http::StatusCode;
use minijinja::{Value, context};

use super::answer::{Answer, Page, Trouble};
use super::once::Once;
use super::plan;
use super::runs::row;
use super::spaces::Titles;
use super::visit::{Visit, field};
use super::webhooks::{Shown, mark};
use crate::db::DatabaseError;
use crate::fluentcommunity::webhook::Webhook;
use crate::fluentcommunity::webhooks::{Environment, Kind, SpacesAndCourses};
use crate::operations::record::{Part, Record, RecordError};
use crate::operations::runs::{ExecutedCalls, LoggedRun, RunQuery};
use crate::operations::trial::Trial;
use crate::operations::webhooks::{ManagedWebhook, Webhooks};
use crate::source::{Bodies, Source};

/// Runs on a webhook's page.
const LATEST: u32 = 5;

/// What was found out about a call that was tried on a webhook.
#[derive(Default)]
pub(super) struct Results {
    /// What a source made of a body.
    pub(super) mapped: Option<Value>,
    /// What the call would do.
    pub(super) plan: Option<Trial>,
}

/// What the form of a webhook is made of.
struct Choices {
    spaces: SpacesAndCourses,
    course_module: bool,
}

/// What stands in the form.
#[derive(Default)]
pub(super) struct Entries {
    title: String,
    join: BTreeSet<u64>,
    leave: BTreeSet<u64>,
    mails: bool,
    /// Why it was not saved, and whether for its title.
    error: Option<String>,
    is_about_title: bool,
    conflict: Option<Conflict>,
}

/// Why entries were not saved that nothing is wrong with.
#[derive(Clone, Copy)]
pub(super) enum Conflict {
    /// The webhook was changed by somebody else.
    Changed,
    /// The form has made the webhook before, of other entries.
    Made,
}

impl Entries {
    fn of(webhook: &Webhook) -> Self {
        let ids = |one: &[u64], other: &[u64]| one.iter().chain(other).copied().collect();
        Self {
            title: String::from_utf8_lossy(&webhook.title).into_owned(),
            join: ids(&webhook.space_ids, &webhook.course_ids),
            leave: ids(&webhook.remove_space_ids, &webhook.remove_course_ids),
            mails: webhook.welcome_email,
            ..Self::default()
        }
    }

    /// As they were sent.
    pub(super) fn sent(form: &[(String, String)]) -> Self {
        let ids = |names: [&str; 2]| {
            let of = form
                .iter()
                .filter(|(name, _)| names.contains(&name.as_str()));
            of.filter_map(|(_, value)| value.parse().ok()).collect()
        };
        Self {
            title: field(form, "title").unwrap_or_default().to_owned(),
            join: ids(["space_ids[]", "course_ids[]"]),
            leave: ids(["remove_space_ids[]", "remove_course_ids[]"]),
            mails: field(form, "send_wp_welcome_email") == Some("yes"),
            ..Self::default()
        }
    }

    /// They were not saved, for this reason.
    pub(super) fn refused(self, error: String, is_about_title: bool) -> Self {
        Self {
            error: Some(error),
            is_about_title,
            ..self
        }
    }

    /// They were not saved, because the site cannot store the title.
    pub(super) fn unstorable(self) -> Self {
        let error =
            "The title is too long, or has characters that this site cannot store, such as emoji.";
        self.refused(error.to_owned(), true)
    }

    /// They were not saved, because others were before.
    pub(super) fn late(self, conflict: Conflict) -> Self {
        Self {
            conflict: Some(conflict),
            ..self
        }
    }

    /// Changes with everything that they say.
    pub(super) fn mark(&self) -> String {
        let lists = [&self.join, &self.leave].map(|ids| ids.iter().copied().collect());
        let none = Vec::new();
        mark(
            &self.title,
            &[&lists[0], &lists[1], &none, &none],
            self.mails,
        )
    }

    fn value(&self, choices: &Choices) -> Value {
        let kinds = [(Kind::Space, "space"), (Kind::Course, "course")];
        let kinds = kinds
            .into_iter()
            .filter(|(kind, _)| choices.course_module || *kind == Kind::Space);
        let all =
            kinds.flat_map(|(kind, word)| choices.spaces.of(kind).map(move |one| (one, word)));
        let places = all.map(|(one, word)| {
            let title = one.title.trim();
            context! {
                id => one.id,
                title => if title.is_empty() { &one.slug } else { title },
                word,
                joins => self.join.contains(&one.id),
                leaves => self.leave.contains(&one.id),
            }
        });
        context! {
            title => &self.title,
            places => places.collect::<Vec<_>>(),
            mails => self.mails,
            error => self.error.as_deref(),
            is_about_title => self.is_about_title,
            conflict => self.conflict.map(|conflict| match conflict {
                Conflict::Changed => "changed",
                Conflict::Made => "made",
            }),
        }
    }
}

/// Of a new webhook.
pub(super) async fn blank(visit: &Visit) -> Result<Answer, Trouble> {
    if !visit.manages() {
        return Err(Trouble::MayLook);
    }
    let entries = Entries {
        mails: true,
        ..Entries::default()
    };
    blank_with(visit, &entries, StatusCode::OK).await
}

/// The same with entries that could not be saved.
pub(super) async fn blank_with(
    visit: &Visit,
    entries: &Entries,
    status: StatusCode,
) -> Result<Answer, Trouble> {
    visit.database()?;
    let inside = visit.front.clone().into_inner();
    let work = async move {
        let site = &inside.site;
        site.pool
            .work(async |connection| {
                let (statements, tables) = (&site.statements, &site.tables);
                let environment =
                    Environment::read(connection, statements, tables, &inside.portal).await?;
                let spaces = SpacesAndCourses::read(connection, statements).await?;
                Ok::<_, DatabaseError>(Choices {
                    spaces,
                    course_module: environment.course_module,
                })
            })
            .await
    };
    let choices = visit.front.on_main_runtime(work).await;
    let choices = choices.ok_or(Trouble::Aborted)??;
    let once = visit
        .given("once")
        .and_then(Once::parse)
        .unwrap_or_else(Once::draw);
    let values = context! { entries => entries.value(&choices), once => once.text() };
    Ok(Answer::Page(Page {
        status,
        template: "webhook_form.html",
        title: "New webhook".to_owned(),
        values,
    }))
}

pub(super) async fn show(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    page(visit, id, None, Results::default(), StatusCode::OK).await
}

/// The page, with entries that could not be saved, or with what was found out about a call.
pub(super) async fn page(
    visit: &Visit,
    id: u64,
    entries: Option<Entries>,
    results: Results,
    status: StatusCode,
) -> Result<Answer, Trouble> {
    let (managed, choices, runs) = read(visit, id).await?;
    let protections = Arc::clone(&visit.front.rules.borrow().protections);
    let shown = Shown::of(&managed.row, &protections);
    let titles = Titles::of(&choices.spaces);
    let of_record = || shown.webhook.as_ref().map(Entries::of);
    let mark = match &entries {
        // What their writer has seen, and nothing later that nobody has told them of.
        Some(entries) if entries.conflict.is_none() => {
            visit.given("seen").unwrap_or_default().to_owned()
        }
        _ => shown.mark(),
    };
    let entries = entries
        .or_else(of_record)
        .map(|entries| entries.value(&choices));
    let times = visit.times();
    // The address, without its key.
    let address = managed
        .url
        .rsplit_once('=')
        .map(|(address, _)| format!("{address}="));
    let tried = |name: &str| visit.given(name).unwrap_or_default().to_owned();
    let values = context! {
        webhook => shown.value(&titles),
        mark,
        entries,
        address,
        runs => runs.iter().map(|run| row(run, &times)).collect::<Vec<_>>(),
        hours => visit.front.rules.borrow().old_keys.num_hours(),
        tried => context! {
            email => tried("email"),
            first_name => tried("first_name"),
            last_name => tried("last_name"),
            user_login => tried("user_login"),
        },
        source => source_of(visit, id).map(|source| {
            context! {
                name => &source.name,
                bodies => match source.bodies {
                    Bodies::Json => "JSON",
                    Bodies::Form => "a form",
                    Bodies::Any => "JSON or a form",
                },
                body => tried("body"),
                headers => tried("headers"),
            }
        }),
        mapped => results.mapped,
        trial => results.plan.map(|trial| plan::shown(&trial, &titles)),
    };
    Ok(Answer::Page(Page {
        status,
        template: "webhook.html",
        title: shown.title(),
        values,
    }))
}

async fn read(
    visit: &Visit,
    id: u64,
) -> Result<(ManagedWebhook, Choices, Vec<LoggedRun>), Trouble> {
    visit.database()?;
    let inside = visit.front.clone().into_inner();
    let work = async move {
        let site = &inside.site;
        let webhooks = Webhooks {
            site,
            portal: &inside.portal,
        };
        let Some((managed, spaces)) = webhooks.find(id).await? else {
            return Ok(None);
        };
        let query = RunQuery {
            user: None,
            part: Part {
                webhook: Some(id.to_string()),
                before: None,
                limit: LATEST,
            },
        };
        let read = site.pool.work(async |connection| {
            let (statements, tables) = (&site.statements, &site.tables);
            let environment =
                Environment::read(connection, statements, tables, &inside.portal).await?;
            let runs = match ExecutedCalls::list(connection, statements, &query).await {
                Ok(page) => page.runs,
                Err(RecordError::Database(error)) => return Err(error),
                Err(_) => Vec::new(),
            };
            Ok::<_, DatabaseError>((environment.course_module, runs))
        });
        let (course_module, runs) = read.await?;
        let choices = Choices {
            spaces,
            course_module,
        };
        Ok::<_, DatabaseError>(Some((managed, choices, runs)))
    };
    let read = visit.front.on_main_runtime(work).await;
    read.ok_or(Trouble::Aborted)??.ok_or_else(|| unknown(id))
}

/// The address with its key: once, for who asked, and noted in the log.
pub(super) async fn address(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    let (managed, _, _) = read(visit, id).await?;
    let shown = Shown::of(&managed.row, &[]);
    visit.log(&format!("the address of webhook {id} was shown"));
    let values = context! { id, name => shown.title(), address => managed.url };
    Ok(Answer::page(
        "address.html",
        format!("Address of {}", shown.title()),
        values,
    ))
}

/// The source of this webhook.
pub(super) fn source_of(visit: &Visit, id: u64) -> Option<Arc<Source>> {
    visit.front.rules.borrow().source_of(id).cloned()
}

fn unknown(id: u64) -> Trouble {
    let why = "It was deleted, or never was. Its runs can still be found by its id.";
    Trouble::NotFound(format!("There is no webhook {id}"), why)
}
