//! What would a call do with these fields? Carried out to the end, then rolled back.

use std::sync::Arc;

use actix_web::http::StatusCode;
use chrono::{DateTime, Utc};
use minijinja::{Value, context};
use serde_json::Value as Json;

use super::super::fields::Fields;
use super::super::trial::{FIELDS, answer, call};
use super::answer::{Answer, Trouble};
use super::text::count;
use super::visit::Visit;
use super::webhook;
use crate::operations::record::RecordError;
use crate::operations::trial::{Effects, MailEffect, MembershipEffect, Name, Trial, webhook_key};
use crate::provision::{WebhookCall, WebhookKey};
use crate::telemetry;

/// Longer values of a column are shortened, in characters.
const LONGEST_VALUE: usize = 200;

pub(super) async fn try_call(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.change()?;
    let mut form = Fields::new(FIELDS.len());
    for field in FIELDS {
        if let Some(value) = visit.given(field) {
            // There are no more fields than the form has room for.
            let _ = form.push(field.as_bytes(), value.as_bytes().to_vec());
        }
    }
    let tried = rehearse(visit, id, move |key, now| call(key, &form, now)).await?;
    let results = Results {
        plan: Some(tried),
        mapped: None,
    };
    webhook::page(visit, id, None, results, StatusCode::OK).await
}

/// What a webhook's page says of a call that was tried on it.
#[derive(Default)]
pub(super) struct Results {
    /// What a source made of a body.
    pub(super) mapped: Option<Value>,
    /// What the call would do.
    pub(super) plan: Option<Value>,
}

/// Carries out the call that is made for this webhook's key, and rolls it back.
pub(super) async fn rehearse(
    visit: &Visit,
    id: u64,
    call: impl FnOnce(WebhookKey, DateTime<Utc>) -> WebhookCall + Send + 'static,
) -> Result<Value, Trouble> {
    let inside = visit.front.clone();
    let mail = Arc::clone(&visit.front.mail_text.borrow());
    let work = async move {
        let site = &inside.site;
        let name = id.to_string();
        let key = site
            .pool
            .work(async |connection| webhook_key(connection, &site.statements, &name).await);
        let key = match key.await {
            Ok(Some(key)) => key,
            Err(RecordError::Database(error)) => return Err(Trouble::from(error)),
            Ok(None) | Err(_) => {
                let title = format!("There is no webhook {id}");
                return Err(Trouble::NotFound(title, "Somebody may have deleted it."));
            }
        };
        let call = call(key, site.clock.now());
        let trial = Trial::of(&inside.calls, call, answer, &mail).await;
        trial.map_err(|error| {
            let reason = telemetry::chain(&error);
            tracing::warn!("a call could not be tried now: {reason}");
            Trouble::NotNow("The call cannot be tried now; the sidecar’s log says why.".to_owned())
        })
    };
    let front = &visit.front;
    let trial = front.on_main_runtime(front.tasks.track_future(work)).await;
    Ok(shown(&trial.ok_or(Trouble::Aborted)??))
}

fn shown(trial: &Trial) -> Value {
    context! {
        status => trial.status,
        message => &trial.message,
        outcome => trial.outcome,
        effects => trial.effects.as_ref().map(effects),
    }
}

fn effects(effects: &Effects) -> Value {
    let name = |column: &'static str, name: &Name| {
        let why = name
            .taken
            .as_ref()
            .map(|taken| format!("“{taken}” is taken"));
        context! { column, name => &name.name, why }
    };
    let names = effects.names.as_ref().map(|names| {
        let nothing = Option::<String>::None;
        vec![
            name("user_login", &names.login),
            name("user_nicename", &names.nicename),
            name("username", &names.username),
            context! { column => "display_name", name => &names.display_name, why => nothing },
        ]
    });
    let (mail, is_sent) = mail(&effects.welcome_mail);
    let many = |effect: &[&str]| {
        let of = effects
            .memberships
            .iter()
            .filter(|one| effect.contains(&one.effect));
        of.count() as u64
    };
    let summary = [
        (
            many(&["joined", "reactivated"]),
            "membership begins",
            "memberships begin",
        ),
        (many(&["left"]), "membership ends", "memberships end"),
        (
            effects.hooks.len() as u64,
            "hook is fired",
            "hooks are fired",
        ),
        (
            effects.tables.len() as u64,
            "table is written to",
            "tables are written to",
        ),
    ];
    let summary = summary.into_iter().filter(|(amount, ..)| *amount > 0);
    let summary = summary.map(|(amount, one, many)| count(amount, one, many));
    context! {
        user_id => effects.user_id,
        names,
        summary => summary.collect::<Vec<_>>().join(", "),
        memberships => effects.memberships.iter().map(membership).collect::<Vec<_>>(),
        mail,
        is_sent,
        subject => effects.welcome_mail.subject.as_deref(),
        body => effects.welcome_mail.body.as_deref(),
        hooks => effects.hooks.clone(),
        tables => effects.tables.iter().map(|(name, changes)| table(name, changes)).collect::<Vec<_>>(),
        unread => effects.unread.clone(),
    }
}

fn membership(effect: &MembershipEffect) -> Value {
    let (word, class) = match effect.effect {
        "joined" => ("joins", "new"),
        "reactivated" => ("is active again", "new"),
        "left" => ("leaves", "new"),
        _ => ("nothing", "quiet"),
    };
    let why = match effect.reason {
        Some("already_active") => "is an active member already",
        Some("not_active") => "is no active member",
        Some("course_module_off") => "the course module is off",
        Some("does_not_exist") => "no space or course has this id; save the webhook to drop it",
        _ => "the webhook says so",
    };
    context! { id => effect.space_id, word, class, role => effect.role.as_deref(), why }
}

/// In words, and whether it is sent.
fn mail(mail: &MailEffect) -> (&'static str, bool) {
    match (mail.sent_by, mail.reason) {
        ("sidecar", _) => ("sent by the sidecar, after the call", true),
        ("wordpress", _) => ("sent by WordPress, after the call", true),
        (_, Some("known_user")) => ("none: only new members get one", false),
        (_, Some("not_wanted")) => ("none: the webhook asks for none", false),
        (_, Some("off")) => ("none: mail.transport is off", false),
        (_, Some("undeliverable")) => ("none: WordPress sends nothing to this address", false),
        _ => ("none", false),
    }
}

/// The changes of a table, a line for each row.
fn table(name: &str, changes: &Json) -> Value {
    let list = |kind: &str| changes[kind].as_array().cloned().unwrap_or_default();
    let line = |class: &'static str, sign: &'static str, row: &Json| {
        let cells = row.as_object().into_iter().flatten();
        let cells = cells.map(|(column, value)| context! { column, value => short(value) });
        context! { class, sign, cells => cells.collect::<Vec<_>>() }
    };
    let change = |row: &Json| {
        let cells = row["changed"].as_object().into_iter().flatten();
        let cells = cells.map(|(column, value)| {
            context! { column, before => short(&value[0]), value => short(&value[1]) }
        });
        context! {
            class => "",
            sign => "~",
            key => short(&row["key"]),
            cells => cells.collect::<Vec<_>>(),
        }
    };
    let (inserted, updated, deleted) = (list("inserted"), list("updated"), list("deleted"));
    let counts = [
        (&inserted, "new"),
        (&updated, "changed"),
        (&deleted, "deleted"),
    ];
    let counts = counts.into_iter().filter(|(rows, _)| !rows.is_empty());
    let counts: Vec<String> = counts
        .map(|(rows, word)| format!("{} {word}", rows.len()))
        .collect();
    let rows = inserted.iter().map(|row| line("add", "+", row));
    let rows = rows.chain(updated.iter().map(change));
    let rows = rows.chain(deleted.iter().map(|row| line("cut", "−", row)));
    context! { name, counts => counts.join(", "), rows => rows.collect::<Vec<_>>() }
}

fn short(value: &Json) -> String {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Null => "NULL".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
