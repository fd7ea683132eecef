//! The rows that a call inserts, changes and deletes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::WebhookCall;
use super::sight::{Seen, Subject};
use crate::db::{
    Answer, Batch, Connection, DatabaseError, Excerpt, Literal, Readable, SITE_TABLES, ShownRow,
    TableNames,
};

/// What stands for a value that is nobody's business: hashes of passwords, and keys.
const HIDDEN: &str = "********";
/// Columns whose values are never shown, by the table's name without its prefix.
const SECRETS: [(&str, &str); 9] = [
    ("users", "user_pass"),
    ("users", "user_activation_key"),
    ("fcom_meta", "meta_key"),
    ("fcom_sidecar_mail", "key_hash"),
    ("fcom_sidecar_mail", "password_hash"),
    ("fcom_sidecar_mail", "lease"),
    ("fcom_sidecar_runs", "call_id"),
    ("fcom_sidecar_runs", "idempotency_key"),
    ("fcom_sidecar_runs", "fields_hash"),
];

/// The rows that a call touches, by table.
pub struct Rows {
    /// Per table `inserted` (rows), `updated` (`key`, and `changed`: by column the values before and after) and `deleted`
    /// (rows), none of them empty.
    pub tables: Map<String, Value>,
    /// By table, the column that identifies a row.
    pub keys: BTreeMap<String, String>,
    /// Tables and columns that the call writes and the account may not read.
    pub unread: Vec<String>,
}

/// The rows to look at.
pub(super) struct Excerpts<'a> {
    readable: Readable,
    named: Vec<Named<'a>>,
    unread: Vec<String>,
}

/// An excerpt, with the table's name without its prefix.
struct Named<'a> {
    name: &'static str,
    excerpt: Excerpt<'a>,
}

impl<'a> Excerpts<'a> {
    /// With a run, also of the daemon's own tables.
    pub(super) async fn of(
        connection: &mut Connection,
        tables: &TableNames,
        subject: &'a Subject,
        run_id: Option<u64>,
    ) -> Result<Self, DatabaseError> {
        let mut excerpts = user(tables, subject);
        excerpts.extend(jobs(tables, subject));
        if let Some(run_id) = run_id {
            excerpts.extend(own(tables, subject, run_id));
        }
        let names: Vec<&str> = excerpts
            .iter()
            .map(|one| one.excerpt.table.as_str())
            .collect();
        let readable = Readable::of(connection, tables, &names).await?;
        let unread = unread(&readable, tables, &names);
        Ok(Self {
            readable,
            named: excerpts,
            unread,
        })
    }

    pub(super) fn unread(self) -> Vec<String> {
        self.unread
    }

    /// Reads them after the statements of `batch`.
    pub(super) async fn read(
        &self,
        mut batch: Batch,
        connection: &mut Connection,
    ) -> Result<Vec<Seen>, DatabaseError> {
        let asked = self.named.iter();
        let asked = asked.map(|one| self.readable.ask_in(&mut batch, &one.excerpt));
        let asked: Vec<Option<usize>> = asked.collect();
        let answers = batch.run(connection).await?;
        let rows = |(one, index): (&Named<'_>, &Option<usize>)| {
            let answer: Option<&Answer> = index.map(|index| &answers[index]);
            let rows = answer.map(|answer| self.readable.rows(&one.excerpt.table, answer));
            rows.transpose()
        };
        let seen = self.named.iter().zip(&asked).map(|(one, index)| {
            Ok(Seen {
                name: one.name,
                table: one.excerpt.table.clone(),
                rows: rows((one, index))?,
            })
        });
        seen.collect()
    }

    pub(super) fn compared(self, before: &[Seen], after: &[Seen], call: &WebhookCall) -> Rows {
        let key = call.key.for_lookup();
        let (mut tables, mut keys) = (Map::new(), BTreeMap::new());
        for ((one, before), after) in self.named.into_iter().zip(before).zip(after) {
            let (Some(before), Some(after)) = (&before.rows, &after.rows) else {
                continue;
            };
            let hide = |row: &ShownRow| hidden(one.name, row, &key);
            let changes = changes(before, after, hide);
            if !changes.is_empty() {
                let row = before.iter().chain(after).next();
                let column = row.and_then(|row| row.keys().next());
                keys.insert(
                    one.excerpt.table.clone(),
                    column.cloned().unwrap_or_default(),
                );
                tables.insert(one.excerpt.table, Value::Object(changes));
            }
        }
        Rows {
            tables,
            keys,
            unread: self.unread,
        }
    }
}

fn user<'a>(tables: &TableNames, subject: &'a Subject) -> Vec<Named<'a>> {
    let id = || vec![Literal::Number(subject.user_id)];
    let of_site = |name: &'static str| format!("{}{name}", tables.prefix());
    let named = |name, table, column, values| Named {
        name,
        excerpt: Excerpt {
            table,
            condition: vec![(column, values)],
        },
    };
    // The language is not changed, but tells how PHP's answers are worded.
    let count = vec![Literal::Text("user_count"), Literal::Text("WPLANG")];
    let count = if tables.is_network() {
        let table = format!("{}sitemeta", tables.base());
        named("sitemeta", table, "meta_key", count)
    } else {
        named("options", of_site("options"), "option_name", count)
    };
    vec![
        named("users", tables.users().to_owned(), "ID", id()),
        named("usermeta", tables.usermeta().to_owned(), "user_id", id()),
        named("fcom_xprofile", of_site("fcom_xprofile"), "user_id", id()),
        named(
            "fcom_space_user",
            of_site("fcom_space_user"),
            "user_id",
            vec![Literal::Text(&subject.user_text)],
        ),
        named(
            "fcom_meta",
            of_site("fcom_meta"),
            "id",
            vec![Literal::Number(subject.webhook_id)],
        ),
        count,
    ]
}

fn jobs<'a>(tables: &TableNames, subject: &'a Subject) -> Option<Named<'a>> {
    if subject.jobs.is_empty() {
        return None;
    }
    let jobs = subject.jobs.iter();
    let (hooks, args) = jobs
        .map(|(hook, args)| (Literal::Text(hook), Literal::Text(args)))
        .unzip();
    let excerpt = Excerpt {
        table: format!("{}actionscheduler_actions", tables.prefix()),
        condition: vec![("hook", hooks), ("args", args)],
    };
    Some(Named {
        name: "actionscheduler_actions",
        excerpt,
    })
}

fn own<'a>(tables: &TableNames, subject: &Subject, run_id: u64) -> [Named<'a>; 3] {
    let named = |name: &'static str, column, id| Named {
        name,
        excerpt: Excerpt {
            table: format!("{}{name}", tables.prefix()),
            condition: vec![(column, vec![Literal::Number(id)])],
        },
    };
    [
        named("fcom_sidecar_runs", "id", run_id),
        named("fcom_sidecar_mail", "user_id", subject.user_id),
        named("fcom_sidecar_events", "user_id", subject.user_id),
    ]
}

/// What the call writes to these tables and nobody will see.
fn unread(readable: &Readable, names: &TableNames, shown: &[&str]) -> Vec<String> {
    let mut unread = Vec::new();
    for table in SITE_TABLES {
        let name = table.full_name(names);
        if !shown.contains(&name.as_str()) {
            continue;
        }
        let missing = table.inserts.iter();
        let missing = missing.filter(|column| !readable.has(&name, column));
        unread.extend(missing.map(|column| format!("{name}.{column}")));
    }
    unread
}

/// The row without what nobody may see. The webhook's key may also stand in its record.
fn hidden(table: &str, row: &ShownRow, key: &str) -> ShownRow {
    let mut row = row.clone();
    for (column, value) in &mut row {
        let Value::String(text) = value else { continue };
        if text.is_empty() {
            continue;
        }
        if SECRETS.contains(&(table, column)) {
            HIDDEN.clone_into(text);
        } else if text.contains(key) {
            *text = text.replace(key, HIDDEN);
        }
    }
    row
}

/// By kind, none of them empty. Rows are the same if their first columns are.
fn changes(
    before: &[ShownRow],
    after: &[ShownRow],
    hide: impl Fn(&ShownRow) -> ShownRow,
) -> Map<String, Value> {
    let key = |row: &ShownRow| row.values().next().cloned();
    let same =
        |rows: &'_ [ShownRow], row: &ShownRow| rows.iter().position(|other| key(other) == key(row));
    let missing_in = |there: &[ShownRow], rows: &[ShownRow]| -> Vec<Value> {
        let rows = rows.iter().filter(|row| same(there, row).is_none());
        rows.map(|row| Value::Object(hide(row))).collect()
    };
    let (inserted, deleted) = (missing_in(before, after), missing_in(after, before));
    let mut updated = Vec::new();
    for row in before {
        let Some(now) = same(after, row).map(|index| &after[index]) else {
            continue;
        };
        let (shown, shown_now) = (hide(row), hide(now));
        let changed: Map<String, Value> = row
            .iter()
            .filter(|(column, value)| now.get(*column) != Some(*value))
            .map(|(column, _)| {
                let value = json!([shown.get(column), shown_now.get(column)]);
                (column.clone(), value)
            })
            .collect();
        if !changed.is_empty() {
            updated.push(json!({ "key": key(row), "changed": changed }));
        }
    }
    [
        ("inserted", inserted),
        ("updated", updated),
        ("deleted", deleted),
    ]
    .into_iter()
    .filter(|(_, rows)| !rows.is_empty())
    .map(|(kind, rows)| (kind.to_owned(), Value::Array(rows)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: Value) -> ShownRow {
        let Value::Object(row) = value else { panic!() };
        row
    }

    #[test]
    fn rows_are_matched_by_their_first_column_and_secrets_are_hidden() {
        let before = [
            row(json!({ "ID": 1, "user_pass": "old", "user_login": "ann" })),
            row(json!({ "ID": 2, "user_pass": "same", "user_login": "bob" })),
            row(json!({ "ID": 3, "user_pass": "", "user_login": "gone" })),
        ];
        let after = [
            row(json!({ "ID": 1, "user_pass": "new", "user_login": "ann" })),
            row(json!({ "ID": 2, "user_pass": "same", "user_login": "bob KEY" })),
            row(json!({ "ID": 4, "user_pass": "hash", "user_login": "new" })),
        ];
        let changes = changes(&before, &after, |row| hidden("users", row, "KEY"));
        let expected = json!({
            "inserted": [{ "ID": 4, "user_pass": HIDDEN, "user_login": "new" }],
            "updated": [
                { "key": 1, "changed": { "user_pass": [HIDDEN, HIDDEN] } },
                { "key": 2, "changed": { "user_login": ["bob", format!("bob {HIDDEN}")] } },
            ],
            "deleted": [{ "ID": 3, "user_pass": "", "user_login": "gone" }],
        });
        assert_eq!(Value::Object(changes), expected);
    }
}
