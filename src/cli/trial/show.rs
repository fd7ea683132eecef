//! What a call would do, as lines and as SQL.

use serde_json::Value;

use crate::operations::trial::{MailEffect, MembershipEffect, Name, Trial};

/// Longer values of a column are shortened, in characters.
const LONGEST_VALUE: usize = 200;

pub(in crate::cli) fn lines(trial: &Trial) -> Vec<String> {
    let mut lines = vec![format!(
        "The call would be answered with {}: {}",
        trial.status, trial.message
    )];
    let Some(effects) = &trial.effects else {
        lines.push(format!("outcome:   {}", trial.outcome));
        return lines;
    };
    lines.push(format!(
        "webhook:   {} {}",
        effects.webhook_id, effects.webhook_title
    ));
    lines.push(match &effects.names {
        Some(_) => format!("user:      {} would be new", effects.user_id),
        None => format!(
            "user:      {} is known; names stay as they are",
            effects.user_id
        ),
    });
    if let Some(names) = &effects.names {
        lines.push(format!("email:     {}", names.email));
        lines.push(format!("login:     {}", name(&names.login)));
        lines.push(format!("nicename:  {}", name(&names.nicename)));
        lines.push(format!("username:  {}", name(&names.username)));
        lines.push(format!("shown as:  {}", names.display_name));
    }
    part(
        &mut lines,
        "Memberships",
        effects.memberships.iter().map(membership),
    );
    lines.extend([String::new(), "Welcome mail".to_owned()]);
    lines.extend(mail(&effects.welcome_mail).into_iter().map(indented));
    part(
        &mut lines,
        "Hooks that PHP would fire, in its order",
        effects.hooks.iter().cloned(),
    );
    for (table, changes) in &effects.tables {
        part(&mut lines, table, rows(changes));
    }
    part(
        &mut lines,
        "Written, but not shown, because the database account may not read it",
        effects.unread.iter().cloned(),
    );
    lines.extend([
        String::new(),
        "Nothing was changed. The numbers that tables give their next rows have moved on, so those of real calls differ."
            .to_owned(),
    ]);
    lines
}

fn part(lines: &mut Vec<String>, title: &str, content: impl IntoIterator<Item = String>) {
    let mut content = content.into_iter().map(indented).peekable();
    if content.peek().is_some() {
        lines.extend([String::new(), title.to_owned()]);
        lines.extend(content);
    }
}

fn indented(line: impl AsRef<str>) -> String {
    format!("  {}", line.as_ref()).trim_end().to_owned()
}

fn name(name: &Name) -> String {
    match &name.taken {
        Some(taken) => format!("{} ({taken} is taken)", name.name),
        None => name.name.clone(),
    }
}

fn membership(effect: &MembershipEffect) -> String {
    let id = effect.space_id;
    match (effect.effect, &effect.role, effect.reason) {
        ("joined", Some(role), _) => format!("{id}: joined as {role}"),
        ("reactivated", Some(role), _) => format!("{id}: active again, as {role}"),
        ("left", ..) => format!("{id}: left"),
        (.., Some("already_active")) => {
            format!("{id}: nothing changes, the user is an active member already")
        }
        (.., Some("not_active")) => format!("{id}: nothing changes, the user is no active member"),
        (.., Some("course_module_off")) => {
            format!("{id}: nothing changes, the course module is off")
        }
        (.., Some("does_not_exist")) => {
            format!("{id}: nothing changes, no space or course has this id")
        }
        (effect, ..) => format!("{id}: {effect}"),
    }
}

fn mail(mail: &MailEffect) -> Vec<String> {
    let sent = match (mail.sent_by, mail.reason) {
        ("sidecar", _) => "sent by the sidecar, after the call",
        ("wordpress", _) => "sent by WordPress, after the call",
        (_, Some("known_user")) => "none: only new members get one",
        (_, Some("not_wanted")) => "none: the webhook asks for none",
        (_, Some("off")) => "none: mail.transport is off",
        (_, Some("undeliverable")) => "none: WordPress sends nothing to this address",
        _ => "none",
    };
    let mut lines = vec![sent.to_owned()];
    if let Some(subject) = &mail.subject {
        lines.push(format!("Subject: {subject}"));
    }
    let body = mail.body.as_deref().unwrap_or_default();
    lines.extend(body.lines().map(ToOwned::to_owned));
    lines
}

/// The changes of a table, one line for each row.
fn rows(changes: &Value) -> Vec<String> {
    let list = |kind: &str| changes[kind].as_array().cloned().unwrap_or_default();
    let row = |sign: &str, row: &Value| {
        let cells = row.as_object().into_iter().flatten();
        let cells = cells.map(|(column, value)| format!("{column} {}", short(value)));
        format!("{sign} {}", cells.collect::<Vec<_>>().join(", "))
    };
    let change = |row: &Value| {
        let cells = row["changed"].as_object().into_iter().flatten();
        let cells = cells.map(|(column, value)| {
            format!("{column} {} -> {}", short(&value[0]), short(&value[1]))
        });
        let cells = cells.collect::<Vec<_>>().join(", ");
        format!("~ {}: {cells}", short(&row["key"]))
    };
    let inserted = list("inserted").iter().map(|one| row("+", one)).collect();
    let updated = list("updated").iter().map(change).collect();
    let deleted = list("deleted").iter().map(|one| row("-", one)).collect();
    [inserted, updated, deleted]
        .into_iter()
        .flat_map(|lines: Vec<String>| lines)
        .collect()
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// The changed rows as statements. Not for execution: secrets are masked, and a real call does more than write rows.
pub(super) fn sql(trial: &Trial) -> Vec<String> {
    let mut lines = vec![format!(
        "-- The call would be answered with {}: {}. Secrets are masked.",
        trial.status, trial.message
    )];
    let Some(effects) = &trial.effects else {
        return lines;
    };
    for (table, changes) in &effects.tables {
        let list = |kind: &str| changes[kind].as_array().cloned().unwrap_or_default();
        let key = effects.keys.get(table).map_or("", String::as_str);
        for row in list("inserted").iter().filter_map(Value::as_object) {
            let columns: Vec<String> = row.keys().map(|name| format!("`{name}`")).collect();
            let values: Vec<String> = row.values().map(literal).collect();
            lines.push(format!(
                "INSERT INTO `{table}` ({}) VALUES ({});",
                columns.join(", "),
                values.join(", ")
            ));
        }
        for row in list("updated") {
            let cells = row["changed"].as_object().into_iter().flatten();
            let cells = cells.map(|(name, value)| format!("`{name}` = {}", literal(&value[1])));
            lines.push(format!(
                "UPDATE `{table}` SET {} WHERE `{key}` = {};",
                cells.collect::<Vec<_>>().join(", "),
                literal(&row["key"])
            ));
        }
        for row in list("deleted").iter().filter_map(Value::as_object) {
            let id = literal(row.get(key).unwrap_or(&Value::Null));
            lines.push(format!("DELETE FROM `{table}` WHERE `{key}` = {id};"));
        }
    }
    lines
}

/// A value as SQL writes it; text that cannot be printed in hexadecimal digits.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::String(text) if text.chars().any(char::is_control) => {
            format!("x'{}'", hex::encode(text))
        }
        Value::String(text) => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_cannot_end_its_literal() {
        let shown = |value: Value| literal(&value);
        assert_eq!(shown(json!("o'neil \\")), "'o''neil \\\\'");
        assert_eq!(shown(json!("a\0b")), "x'610062'");
        assert_eq!(shown(json!(7)), "7");
        assert_eq!(shown(json!(null)), "NULL");
    }

    #[test]
    fn rows_are_shown_with_what_changes() {
        let changes = json!({
            "inserted": [{ "ID": 4, "user_login": "ann" }],
            "updated": [{ "key": 3, "changed": { "value": ["a", null] } }],
            "deleted": [{ "id": 9 }],
        });
        assert_eq!(
            rows(&changes),
            [
                r#"+ ID 4, user_login "ann""#,
                r#"~ 3: value "a" -> null"#,
                "- id 9"
            ]
        );
    }
}
