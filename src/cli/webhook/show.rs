//! Displays webhooks for people and for programs, never with the key.

use serde_json::{Value, json};

use crate::cli::terminal::printable;
use crate::fluentcommunity::webhook::Webhook;
use crate::fluentcommunity::webhooks::{
    self, Kind, SpaceOrCourse, SpacesAndCourses, UnclearName, WebhookRow,
};
use crate::operations::webhooks::ManagedWebhook;

/// The JSON form.
pub(super) fn json(ManagedWebhook { row, .. }: &ManagedWebhook) -> Value {
    json!({
        "id": row.id,
        "value": webhooks::json(row.value.as_deref()),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    })
}

/// The JSON form with the URL.
pub(super) fn json_with_url(webhook: &ManagedWebhook) -> Value {
    let mut shown = json(webhook);
    shown["webhook_url"] = webhook.url.as_str().into();
    shown
}

/// One line per webhook.
pub(super) fn table(webhooks: &[ManagedWebhook]) -> Vec<String> {
    let line = |id: &str, runs: &str, joins: &str, leaves: &str, mail: &str, title: &str| {
        format!("{id:>8}  {runs:>8}  {joins:>5}  {leaves:>6}  {mail:<4}  {title}")
    };
    let mut lines = vec![line("webhook", "runs", "joins", "leaves", "mail", "title")];
    lines.extend(webhooks.iter().map(|ManagedWebhook { row, .. }| {
        let id = row.id.to_string();
        let Some(webhook) = read(row) else {
            return line(&id, "", "", "", "", "(not readable)");
        };
        let joins = webhook.space_ids.len() + webhook.course_ids.len();
        let leaves = webhook.remove_space_ids.len() + webhook.remove_course_ids.len();
        line(
            &id,
            &runs(row),
            &joins.to_string(),
            &leaves.to_string(),
            yes_or_no(webhook.welcome_email),
            &title(&webhook),
        )
    }));
    lines
}

/// All details of one webhook.
pub(super) fn card(
    ManagedWebhook { row, .. }: &ManagedWebhook,
    all: &SpacesAndCourses,
) -> Vec<String> {
    let mut lines = vec![format!("webhook:         {}", row.id)];
    match read(row) {
        None => lines
            .push("                 its record is not readable, its calls are refused".to_owned()),
        Some(webhook) => {
            let names = |kind, ids: &[u64]| names(all, kind, ids);
            let (spaces, left_spaces) = (&webhook.space_ids, &webhook.remove_space_ids);
            let (courses, left_courses) = (&webhook.course_ids, &webhook.remove_course_ids);
            lines.extend([
                format!("title:           {}", title(&webhook)),
                format!("joins spaces:    {}", names(Kind::Space, spaces)),
                format!("joins courses:   {}", names(Kind::Course, courses)),
                format!("leaves spaces:   {}", names(Kind::Space, left_spaces)),
                format!("leaves courses:  {}", names(Kind::Course, left_courses)),
                format!("welcome mail:    {}", yes_or_no(webhook.welcome_email)),
                format!("runs:            {}", runs(row)),
            ]);
        }
    }
    let time = |time: &Option<String>| time.clone().unwrap_or_else(|| "unknown".to_owned());
    lines.extend([
        format!("created:         {} (site's time)", time(&row.created_at)),
        format!("changed:         {} (site's time)", time(&row.updated_at)),
    ]);
    lines
}

fn read(row: &WebhookRow) -> Option<Webhook> {
    Webhook::read(row.id, row.value.as_deref()?).ok()
}

fn runs(row: &WebhookRow) -> String {
    match &webhooks::json(row.value.as_deref())["running_count"] {
        Value::Null => "0".to_owned(),
        Value::String(count) => count.clone(),
        count => count.to_string(),
    }
}

fn title(webhook: &Webhook) -> String {
    String::from_utf8_lossy(&webhook.title).into_owned()
}

fn yes_or_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn names(all: &SpacesAndCourses, kind: Kind, ids: &[u64]) -> String {
    let name = |id: &u64| {
        let found = all.of(kind).find(|one| one.id == *id);
        let title = found.map_or("no such one", |one| &one.title);
        format!("{id} ({title})")
    };
    if ids.is_empty() {
        return "-".to_owned();
    }
    ids.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Explains why `name` does not identify exactly one, with the candidates.
pub(super) fn unclear(kind: Kind, name: &str, why: &UnclearName<'_>) -> String {
    let what = match kind {
        Kind::Space => "space",
        Kind::Course => "course",
    };
    let list = |all: &[&SpaceOrCourse]| {
        let lines = all.iter().map(|one| {
            let (slug, title) = (printable(&one.slug), printable(&one.title));
            format!("\n  {:>5}  {slug}  {title}", one.id)
        });
        lines.collect::<String>()
    };
    match why {
        UnclearName::Several(several) => format!(
            "several {what}s are called {name:?}, name one by its id:{}",
            list(several)
        ),
        UnclearName::Unknown(others) if others.is_empty() => {
            format!("there is no {what} {name:?}, and no other {what} either")
        }
        UnclearName::Unknown(others) => {
            format!("there is no {what} {name:?}; there are:{}", list(others))
        }
    }
}
