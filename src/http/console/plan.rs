//! What a call would do, as a webhook's page shows it.

use minijinja::{Value, context};
use serde_json::Value as Json;

use super::spaces::Titles;
use super::text::count;
use crate::operations::trial::{Effects, MailEffect, MembershipEffect, Name, Trial};

/// Longer values of a column are shortened, in characters.
const LONGEST_VALUE: usize = 200;

/// Of a call that was tried.
pub(super) fn shown(trial: &Trial, titles: &Titles) -> Value {
    context! {
        status => trial.status,
        message => &trial.message,
        outcome => trial.outcome,
        effects => trial.effects.as_ref().map(|one| effects(one, titles)),
    }
}

fn effects(effects: &Effects, titles: &Titles) -> Value {
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
        memberships => effects.memberships.iter().map(|one| membership(one, titles)).collect::<Vec<_>>(),
        mail,
        is_sent,
        subject => effects.welcome_mail.subject.as_deref(),
        body => effects.welcome_mail.body.as_deref(),
        hooks => effects.hooks.clone(),
        tables => effects.tables.iter().map(|(name, changes)| table(name, changes)).collect::<Vec<_>>(),
        unread => effects.unread.clone(),
    }
}

fn membership(effect: &MembershipEffect, titles: &Titles) -> Value {
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
    let id = effect.space_id;
    context! { id, title => titles.title(id), word, class, role => effect.role.as_deref(), why }
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
