//! Reads the migrations as a description of what our tables should be: the ledger says what was done once, not what is
//! there now. The files have one column or index per line.

use super::list::{LEDGER, MIGRATIONS};
use crate::db::{Statement, TableNames};

/// One of our tables as it should be.
#[derive(Clone, Debug)]
pub(super) struct Blueprint {
    /// With its token, as in the file: `{prefix}fcom_sidecar_runs`.
    pub(super) token: &'static str,
    /// The file.
    pub(super) text: &'static str,
    /// On this site.
    pub(super) name: String,
    /// In the order of the file.
    pub(super) columns: Vec<Column>,
    /// The primary key first.
    pub(super) indexes: Vec<Index>,
}

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: &'static str,
    /// Its type and the rest.
    pub(super) definition: &'static str,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    /// `PRIMARY` for the primary key, as servers name it.
    pub(super) name: &'static str,
    pub(super) columns: Vec<&'static str>,
    /// As it is written in the file, to be added by ALTER TABLE.
    pub(super) definition: &'static str,
}

impl Column {
    pub(super) fn is_counter(self) -> bool {
        self.definition.ends_with("AUTO_INCREMENT")
    }

    /// Neither nullable nor with a default: rows that are there already get what the server considers empty.
    pub(super) fn has_no_default(self) -> bool {
        !self.definition.contains("DEFAULT") && !self.definition.ends_with(" NULL")
            || self.definition.ends_with("NOT NULL")
    }
}

/// All of our tables, the ledger first.
pub(super) fn blueprints(tables: &TableNames) -> Vec<Blueprint> {
    let created = MIGRATIONS.iter().map(|(_, _, text)| *text);
    std::iter::once(LEDGER)
        .chain(created)
        .map(|text| blueprint(text, tables))
        .collect()
}

fn blueprint(text: &'static str, tables: &TableNames) -> Blueprint {
    let mut lines = text.lines().filter(|line| !line.starts_with("--"));
    let head = lines.next().unwrap_or_default();
    let token = head
        .strip_prefix("CREATE TABLE IF NOT EXISTS ")
        .and_then(|rest| rest.strip_suffix(" ("))
        .expect("a migration creates a table");
    let name = Statement::render(token, tables).sql().as_str().to_owned();
    let (mut columns, mut indexes) = (Vec::new(), Vec::new());
    for line in lines.take_while(|line| !line.starts_with(')')) {
        let line = line.trim().trim_end_matches(',');
        match index(line) {
            Some(index) => indexes.push(index),
            None => columns.push(column(line)),
        }
    }
    Blueprint {
        token,
        text,
        name,
        columns,
        indexes,
    }
}

fn column(line: &'static str) -> Column {
    let (name, definition) = line.split_once(' ').expect("a column has a type");
    Column { name, definition }
}

fn index(line: &'static str) -> Option<Index> {
    let (head, columns) = line.split_once('(')?;
    let name = match head.split_whitespace().collect::<Vec<_>>()[..] {
        ["PRIMARY", "KEY"] => "PRIMARY",
        ["UNIQUE", "KEY", name] | ["KEY", name] => name,
        _ => return None,
    };
    let columns = columns.trim_end_matches(')').split(", ").collect();
    Some(Index {
        name,
        columns,
        definition: line,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_is_understood() {
        let tables = TableNames::new("wp_2_", None, None).unwrap();
        let all = blueprints(&tables);
        let names: Vec<&str> = all.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(
            names[..2],
            ["wp_2_fcom_sidecar_schema", "wp_2_fcom_sidecar_claims"]
        );
        let runs = all
            .iter()
            .find(|table| table.name.ends_with("_runs"))
            .unwrap();
        assert_eq!(runs.columns[0].name, "id");
        assert!(runs.columns[0].is_counter());
        let tallied = runs
            .columns
            .iter()
            .find(|one| one.name == "tallied")
            .unwrap();
        assert_eq!(tallied.definition, "tinyint unsigned NOT NULL DEFAULT 0");
        assert!(!tallied.has_no_default());
        let created = runs
            .columns
            .iter()
            .find(|one| one.name == "created_at")
            .unwrap();
        assert!(created.has_no_default());
        let changes = runs
            .columns
            .iter()
            .find(|one| one.name == "changes")
            .unwrap();
        assert!(!changes.has_no_default());
        let key = &runs.indexes[2];
        assert_eq!(key.name, "idempotency_key");
        assert_eq!(key.columns, ["idempotency_key", "webhook_id"]);
        assert!(key.definition.starts_with("UNIQUE KEY"));
        for table in &all {
            assert!(table.columns.len() > 1, "{table:?}");
            assert_eq!(table.indexes[0].name, "PRIMARY", "{table:?}");
            for index in &table.indexes {
                let is_there = |name: &&str| table.columns.iter().any(|one| one.name == *name);
                assert!(index.columns.iter().all(is_there), "{index:?}");
            }
        }
    }
}
