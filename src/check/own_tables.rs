//! Checks the sidecar's own tables.

use super::report::Finding;
use crate::db::{self, Connection, Doing, OwnTables, Statement, Statements, TableNames};
use crate::operations::agreement::differences;
use crate::operations::instances::{self, Running};

pub(super) const OWN_TABLES: &str = "own-tables";
pub(super) const OWN_ROWS: &str = "uncounted-runs";
pub(super) const MAILS: &str = "mails";
pub(super) const INSTANCES: &str = "instances";

/// Longer than the default maximum delay between two attempts.
const LONG: i64 = 2 * 3600;

const OWN_ROWS_SQL: &str = include_str!("../../sql/checks/own_rows.sql");

const MAILS_SQL: &str = include_str!("../../sql/checks/mails.sql");

pub(super) async fn check(connection: &mut Connection, tables: &TableNames) -> Vec<Finding> {
    let missing = match db::own_tables(&mut *connection, tables).await {
        Ok(state) if state.is_complete() => {
            let found = format!("{}fcom_sidecar_… are up to date", tables.prefix());
            // All statements are too large for a future.
            let statements = Box::new(Statements::render(tables));
            let running = instances::running(connection, &statements).await;
            let running = running.unwrap_or_default();
            return vec![
                Finding::ok(OWN_TABLES, found),
                rows(connection, tables).await,
                mails(connection, tables, &running).await,
                agreement(&running),
            ];
        }
        Ok(state) => Finding::failed(
            OWN_TABLES,
            state.to_string(),
            format!(
                "{}; serve does it itself if its account may",
                OwnTables::REMEDY
            ),
        ),
        Err(error) => Finding::failed(
            OWN_TABLES,
            error.to_string(),
            format!(
                "grant SELECT, INSERT, UPDATE and DELETE on {}fcom_sidecar_*",
                tables.prefix()
            ),
        ),
    };
    let not_ready = |name| Finding::skipped(name, "the sidecar's own tables are not ready");
    vec![
        missing,
        not_ready(OWN_ROWS),
        not_ready(MAILS),
        not_ready(INSTANCES),
    ]
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

fn agreement(running: &[Running]) -> Finding {
    let differences = differences(running);
    if differences.is_empty() {
        let found = match running.len() {
            0 => "none runs".to_owned(),
            1 => "one runs".to_owned(),
            some => format!(
                "{some} run, with the same settings for mail, password hashes, protection and the relay"
            ),
        };
        return Finding::ok(INSTANCES, found);
    }
    Finding::warning(
        INSTANCES,
        differences.join("; "),
        "give all instances of the site the same configuration, and reload or restart them",
    )
}

async fn mails(connection: &mut Connection, tables: &TableNames, running: &[Running]) -> Finding {
    let sql = Statement::render(MAILS_SQL, tables).sql();
    let counted = sqlx::query_as::<_, (i64, i64, i64)>(sql)
        .fetch_one(connection)
        .await
        .doing("count the mails that wait");
    let stuck = running.iter().filter_map(Running::stuck);
    let stuck: Vec<String> = stuck.map(|stuck| format!("; {stuck}")).collect();
    match counted {
        Ok((pending, 0, oldest)) if oldest < LONG && stuck.is_empty() => Finding::ok(
            MAILS,
            format!("{pending} wait to be sent, none was given up"),
        ),
        Ok((pending, dead, oldest)) => Finding::warning(
            MAILS,
            format!(
                "{pending} wait to be sent, the oldest for {} minutes; {dead} were given up{}",
                oldest / 60,
                stuck.concat()
            ),
            "\"fcom-sidecar outbox list\" and \"outbox show\" tell why, \"mail test\" tries the server, \
             \"outbox retry --all-dead\" sends again and \"outbox drop\" forgets",
        ),
        Err(error) => Finding::failed(
            MAILS,
            error.to_string(),
            format!("grant SELECT on {}fcom_sidecar_*", tables.prefix()),
        ),
    }
}
