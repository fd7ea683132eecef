//! The sidecar's own tables.

use super::report::Finding;
use crate::db::{self, Connection, Doing, Statement, TableNames};

pub(super) const OWN_TABLES: &str = "own-tables";
pub(super) const OWN_ROWS: &str = "uncounted-runs";

const OWN_ROWS_SQL: &str = include_str!("../../../sql/checks/own_rows.sql");

const MIGRATE: &str = "run \"fcom-sidecar migrate\" with an account that may CREATE, ALTER and INDEX; serve does it itself at start \
     if its account may";

pub(super) async fn check(connection: &mut Connection, tables: &TableNames) -> Vec<Finding> {
    let missing = match db::missing_migrations(&mut *connection, tables).await {
        Ok(Some(0)) => {
            let found = format!("{}fcom_sidecar_… are up to date", tables.prefix());
            return vec![
                Finding::ok(OWN_TABLES, found),
                rows(connection, tables).await,
            ];
        }
        Ok(Some(count)) => Finding::failed(
            OWN_TABLES,
            format!("{count} migrations have not been applied"),
            MIGRATE,
        ),
        Ok(None) => Finding::failed(OWN_TABLES, "not there yet", MIGRATE),
        Err(error) => Finding::failed(
            OWN_TABLES,
            error.to_string(),
            format!(
                "grant SELECT, INSERT, UPDATE and DELETE on {}fcom_sidecar_*",
                tables.prefix()
            ),
        ),
    };
    let rows = Finding::skipped(OWN_ROWS, "the sidecar's own tables are not ready");
    vec![missing, rows]
}

async fn rows(connection: &mut Connection, tables: &TableNames) -> Finding {
    let counted = sqlx::query_as::<_, (i64, i64)>(Statement::render(OWN_ROWS_SQL, tables).sql())
        .fetch_one(connection)
        .await
        .doing("count what is left in the sidecar's tables");
    match counted {
        Ok((claims, 0)) => Finding::ok(OWN_ROWS, format!("none; {claims} claims are held")),
        Ok((claims, uncounted)) => Finding::warning(
            OWN_ROWS,
            format!(
                "{uncounted} runs have waited for more than a minute to be counted; {claims} claims are held"
            ),
            "start serve, which counts them; if it runs, its log says what is in the way",
        ),
        Err(error) => Finding::failed(
            OWN_ROWS,
            error.to_string(),
            format!("grant SELECT on {}fcom_sidecar_*", tables.prefix()),
        ),
    }
}
