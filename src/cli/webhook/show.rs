//! How webhooks are shown: for people and for programs, never with the key.

use serde_json::{Value, json};

use crate::fluentcommunity::webhook::Webhook;
use crate::fluentcommunity::webhooks::{self, Kind, Row, Targets};

/// What a program gets.
pub(super) fn json(row: &Row) -> Value {
    json!({
        "id": row.id,
        "value": webhooks::json(row.value.as_deref()),
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    })
}

/// The same with the address.
pub(super) fn json_with_url(row: &Row, url: &str) -> Value {
    let mut shown = json(row);
    shown["webhook_url"] = url.into();
    shown
}

/// One line each.
pub(super) fn table(rows: &[Row]) -> String {
    let line = |id: &str, runs: &str, joins: &str, leaves: &str, mail: &str, title: &str| {
        format!("{id:>8}  {runs:>8}  {joins:>5}  {leaves:>6}  {mail:<4}  {title}")
    };
    let mut lines = vec![line("webhook", "runs", "joins", "leaves", "mail", "title")];
    lines.extend(rows.iter().map(|row| {
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
    lines.join("\n")
}

/// Everything about one.
pub(super) fn card(row: &Row, targets: &Targets) -> String {
    let mut lines = vec![format!("webhook:         {}", row.id)];
    match read(row) {
        None => lines
            .push("                 its record is not readable, its calls are refused".to_owned()),
        Some(webhook) => {
            let names = |kind, ids: &[u64]| names(targets, kind, ids);
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
    lines.join("\n")
}

fn read(row: &Row) -> Option<Webhook> {
    Webhook::read(row.id, row.value.as_deref()?).ok()
}

fn runs(row: &Row) -> String {
    match &webhooks::json(row.value.as_deref())["running_count"] {
        Value::Null => "0".to_owned(),
        Value::String(count) => count.clone(),
        count => count.to_string(),
    }
}

/// On one line, whatever characters stand in it.
fn title(webhook: &Webhook) -> String {
    let title = String::from_utf8_lossy(&webhook.title);
    title
        .chars()
        .filter(|character| !character.is_control())
        .collect()
}

fn yes_or_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

fn names(targets: &Targets, kind: Kind, ids: &[u64]) -> String {
    let name = |id: &u64| {
        let target = targets.of(kind).find(|target| target.id == *id);
        let title = target.map_or("no such one", |target| &target.title);
        format!("{id} ({title})")
    };
    if ids.is_empty() {
        return "-".to_owned();
    }
    ids.iter().map(name).collect::<Vec<_>>().join(", ")
}
