//! Makes what our tables lack. Rows that are still there keep their meaning: no run is counted again, and no mail is
//! sent again, because a column came back with its default.

use super::blueprint::{Blueprint, Column};
use super::gaps::Parts;
use crate::db::{Connection, DatabaseError, Doing, Statement, TableNames};

/// What the rows of a table get in a column that comes back.
struct Fill {
    table: &'static str,
    column: &'static str,
    /// For all of them.
    value: &'static str,
    /// For some: an expression and its condition.
    but: Option<(&'static str, &'static str)>,
    /// The column that the condition reads. If that is lost, too, all keep the first value, which never repeats anything.
    reads: Option<&'static str>,
}

const FILLS: &[Fill] = &[
    // What was not applied is found by comparing.
    Fill {
        table: "schema",
        column: "success",
        value: "1",
        but: None,
        reads: None,
    },
    // Counted, because most were.
    Fill {
        table: "runs",
        column: "tallied",
        value: "1",
        but: None,
        reads: None,
    },
    // Unique, and no call's.
    Fill {
        table: "runs",
        column: "call_id",
        value: "''",
        but: Some(("UNHEX(LEFT(SHA2(CONCAT(id, '.'), 256), 32))", "1 = 1")),
        reads: None,
    },
    Fill {
        table: "mail",
        column: "state",
        value: "'sent'",
        but: Some(("'pending'", "finished_at IS NULL")),
        reads: Some("finished_at"),
    },
    Fill {
        table: "events",
        column: "state",
        value: "'done'",
        but: Some(("'pending'", "finished_at IS NULL")),
        reads: Some("finished_at"),
    },
    // Unique, and no key's.
    Fill {
        table: "old_keys",
        column: "key_hash",
        value: "''",
        but: Some(("UNHEX(SHA2(CONCAT(webhook_id, '.', RAND()), 256))", "1 = 1")),
        reads: None,
    },
    // No id's.
    Fill {
        table: "signed",
        column: "id_hash",
        value: "''",
        but: Some(("UNHEX(SHA2(CONCAT(webhook_id, '.', RAND()), 256))", "1 = 1")),
        reads: None,
    },
    // Unique, and no call's.
    Fill {
        table: "kept",
        column: "refused_id",
        value: "0",
        but: Some((
            "9000000000000000000 - FLOOR(RAND() * 1000000000000000000)",
            "1 = 1",
        )),
        reads: None,
    },
];

/// A time in a column that must have one; the zero date would be no time at all.
const NOW: Fill = Fill {
    table: "",
    column: "",
    value: "'2000-01-01 00:00:00'",
    but: Some(("UTC_TIMESTAMP()", "1 = 1")),
    reads: None,
};

impl Fill {
    fn of(table: &Blueprint, column: &Column) -> Option<&'static Self> {
        let is_it = |fill: &&Self| {
            table
                .token
                .ends_with(&format!("fcom_sidecar_{}", fill.table))
                && fill.column == column.name
        };
        let is_time = column.definition.starts_with("datetime") && column.has_no_default();
        FILLS.iter().find(is_it).or_else(|| is_time.then_some(&NOW))
    }
}

/// Adds columns and indexes to a table that is there.
pub(super) async fn mend(
    connection: &mut Connection,
    tables: &TableNames,
    table: &Blueprint,
    parts: &Parts,
) -> Result<(), DatabaseError> {
    for statement in statements(table, parts) {
        sqlx::raw_sql(Statement::render(&statement, tables).sql())
            .execute(&mut *connection)
            .await
            .doing("mend the sidecar's tables")?;
    }
    Ok(())
}

/// The name of a column until its rows have their values. A process that dies in between leaves it behind, and the next
/// one continues.
fn interim(column: &Column) -> String {
    format!("restoring_{}", column.name)
}

/// At most: one ALTER that adds columns, some UPDATEs that fill them, and one that gives them their names and indexes.
fn statements(table: &Blueprint, parts: &Parts) -> Vec<String> {
    let is_present = |name: &str| parts.present.iter().any(|one| one == name);
    let fills: Vec<(&Column, &'static Fill)> = parts
        .columns
        .iter()
        .filter_map(|column| Some((column, Fill::of(table, column)?)))
        .collect();
    let is_filled = |name: &str| fills.iter().any(|(column, _)| column.name == name);
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for name in &parts.damaged {
        first.push(match *name {
            "PRIMARY" => "DROP PRIMARY KEY".to_owned(),
            name => format!("DROP KEY {name}"),
        });
    }
    for column in &parts.columns {
        let Column { name, definition } = column;
        let place = place(table, parts, column, &is_filled);
        match Fill::of(table, column) {
            None => first.push(format!("ADD COLUMN {name} {definition}{place}")),
            Some(fill) => {
                let interim = interim(column);
                last.push(format!("CHANGE COLUMN {interim} {name} {definition}"));
                if !is_present(&interim) {
                    let kind = definition.split(" DEFAULT ").next().unwrap_or(definition);
                    let value = fill.value;
                    first.push(format!(
                        "ADD COLUMN {interim} {kind} DEFAULT {value}{place}"
                    ));
                }
            }
        }
    }
    if let Some(Column { name, definition }) = parts.counter {
        first.push(format!("MODIFY COLUMN {name} {definition}"));
    }
    for index in &parts.indexes {
        // The counter must have its index at once.
        let is_late = index.columns.iter().any(|name| is_filled(name)) || index.name != "PRIMARY";
        let add = format!("ADD {}", index.definition);
        if is_late {
            last.push(add);
        } else {
            first.push(add);
        }
    }
    let token = table.token;
    let alter = |changes: &[String]| format!("ALTER TABLE {token} {}", changes.join(", "));
    if fills.is_empty() {
        first.append(&mut last);
        return vec![alter(&first)];
    }
    let mut statements = Vec::new();
    if !first.is_empty() {
        statements.push(alter(&first));
    }
    for (column, fill) in &fills {
        let Some((value, condition)) = fill.but else {
            continue;
        };
        if fill.reads.is_none_or(is_present) {
            let interim = interim(column);
            statements.push(format!(
                "UPDATE {token} SET {interim} = {value} WHERE {condition}"
            ));
        }
    }
    statements.push(alter(&last));
    statements
}

/// Where a column belongs: behind the one that precedes it in the description.
fn place(
    table: &Blueprint,
    parts: &Parts,
    column: &Column,
    is_filled: &impl Fn(&str) -> bool,
) -> String {
    let index = table.columns.iter().position(|one| one == column);
    let before = index.and_then(|index| index.checked_sub(1));
    match before.map(|index| &table.columns[index]) {
        None => " FIRST".to_owned(),
        Some(before) if parts.present.iter().any(|one| one == before.name) => {
            format!(" AFTER {}", before.name)
        }
        Some(before) if is_filled(before.name) => format!(" AFTER {}", interim(before)),
        Some(before) => format!(" AFTER {}", before.name),
    }
}
