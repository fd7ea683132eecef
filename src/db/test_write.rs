//! Tries what calls do to each table, and leaves nothing behind.
//!
//! On the site's tables the statements match no row: that needs the same privileges, columns, locks and a server that
//! takes writes, but fires no trigger, holds no row that WordPress may want, and uses up no id. Rows are written to our
//! own tables only, and rolled back.

use super::site_tables::{OWN_TABLES, Purpose, SiteTable, site_tables};
use super::{Batch, Connection, DatabaseError, Literal, Statement, Statements, TableNames};

/// How much a test write writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// A few short rows.
    Light,
    /// Also a text that needs pages of its own: a full disk still has room for a short row.
    Heavy,
}

/// A table that cannot be used as calls use it.
#[derive(Debug)]
pub struct Refusal {
    /// The full table name.
    pub table: String,
    /// Why.
    pub error: DatabaseError,
}

/// Nothing commits by itself, whatever happens between two statements: a cluster node may roll back in between and
/// execute the rest. An explicit id of 0 is no request for the next id. Waits are short: a locked table is an answer,
/// too. (`lock_wait_timeout` is for tables.)
const SESSION: &str = "SET SESSION autocommit = 0, SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', \
     SESSION lock_wait_timeout = 1, SESSION innodb_lock_wait_timeout = 1";

const CLAIM: &str = include_str!("../../sql/checks/test_claim.sql");
const RUN: &str = include_str!("../../sql/checks/test_run.sql");
const MAIL: &str = include_str!("../../sql/checks/test_mail.sql");
const EVENT: &str = include_str!("../../sql/checks/test_event.sql");

/// Calls do not depend on the record of refused ones, nor on what PHP refuses, nor on what instances say of themselves, nor on what was
/// compared.
const NOT_OF_CALLS: [&str; 5] = [
    "fcom_sidecar_refused",
    "fcom_sidecar_kept",
    "fcom_sidecar_shadow",
    "fcom_sidecar_guard",
    "fcom_sidecar_instances",
];

const DOING: &str = "try what calls do to the table";

/// Tries to write to every table that calls write to, and to read those that they read. Changes the session for good:
/// the connection is of no use for anything else.
///
/// # Errors
/// The first table that cannot be used. The transaction is rolled back with the connection, which must then be closed.
pub async fn test_write(
    connection: &mut Connection,
    statements: &Statements,
    names: &TableNames,
    weight: Weight,
) -> Result<(), Refusal> {
    let used = site_tables(names).filter(|table| table.purpose == Purpose::Calls);
    let mut is_first = true;
    let own = OWN_TABLES
        .iter()
        .filter(|table| !NOT_OF_CALLS.contains(&table.name));
    for table in used.chain(own) {
        let mut batch = Batch::of(statements);
        if std::mem::take(&mut is_first) {
            batch.add(
                &Statement::render(SESSION, names),
                "set up the session",
                &[],
            );
        }
        for text in without_rows(table, names) {
            batch.add(&Statement::render(&text, names), DOING, &[]);
        }
        let letters = match weight {
            Weight::Light => 1_u64,
            Weight::Heavy => 65_000,
        };
        match table.name {
            "fcom_sidecar_claims" => batch.add(&Statement::render(CLAIM, names), DOING, &[]),
            "fcom_sidecar_runs" => {
                let letters = [Literal::from(letters)];
                batch.add(&Statement::render(RUN, names), DOING, &letters)
            }
            "fcom_sidecar_mail" => batch.add(&Statement::render(MAIL, names), DOING, &[]),
            "fcom_sidecar_events" => batch.add(&Statement::render(EVENT, names), DOING, &[]),
            _ => 0,
        };
        // The locks on the table end with the transaction.
        batch.add(&Statement::render("ROLLBACK", names), DOING, &[]);
        batch.run(connection).await.map_err(|error| Refusal {
            table: table.full_name(names),
            error,
        })?;
    }
    Ok(())
}

/// Statements that do to a table what calls do, but to no row of it. Also tells whether the table can be read before it
/// is written to: a locked table then says so without waiting for a row.
fn without_rows(table: &SiteTable, names: &TableNames) -> Vec<String> {
    let (name, id) = (table.full_name(names), table.id);
    let mut texts = Vec::new();
    if !table.reads.is_empty() {
        let columns = table.reads.join(", ");
        texts.push(format!("SELECT {columns} FROM {name} WHERE 1 = 0"));
    }
    let knows_id = table.reads.contains(&id);
    if !table.updates.is_empty() && knows_id {
        let set = table.updates.join(" = NULL, ");
        texts.push(format!("UPDATE {name} SET {set} = NULL WHERE {id} = 0"));
    }
    if table.is_managed {
        return texts;
    }
    if table.deletes && knows_id {
        texts.push(format!("DELETE FROM {name} WHERE {id} = 0"));
    }
    if !table.inserts.is_empty() && OWN_TABLES.iter().all(|own| own.name != table.name) {
        let columns = table.inserts.join(", ");
        let nothing = vec!["NULL"; table.inserts.len()].join(", ");
        // IGNORE, so that a column without default is no error: there is no row that lacks it.
        texts.push(format!(
            "INSERT IGNORE INTO {name} ({columns}) SELECT {nothing} FROM DUAL WHERE 1 = 0"
        ));
    }
    texts
}
