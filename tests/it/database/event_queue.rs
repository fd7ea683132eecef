//! What it costs to find the hooks that WordPress may fire, whatever waits behind one that fails.

use fcom_sidecar::db::{Statements, TableNames};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::harness::site::{PREFIX, Site};
use crate::harness::tables::{waiting_events, waiting_users};

/// So many rows of indexes and tables a look may read.
const FEW: u64 = 1000;

/// Rows that this connection has read so far.
pub(super) async fn reads(connection: &mut MySqlConnection) -> u64 {
    let sql = "SHOW SESSION STATUS LIKE 'Handler\\_read%'";
    let rows = sqlx::raw_sql(sql).fetch_all(connection).await.unwrap();
    let counts = rows
        .iter()
        .map(|row| row.get::<String, _>(1).parse::<u64>());
    counts.map(Result::unwrap).sum()
}

/// The values in the first column, in their order, and how many rows were read for them.
async fn look(site: &Site, sql: &str) -> (Vec<Option<i64>>, u64) {
    let mut connection = site.pool().acquire().await.unwrap();
    let before = reads(&mut connection).await;
    let query = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
    let rows = query.fetch_all(&mut *connection).await.unwrap();
    let after = reads(&mut connection).await;
    let mut values: Vec<Option<i64>> = rows.iter().map(|row| row.get(0)).collect();
    values.sort_unstable();
    (values, after - before)
}

#[tokio::test]
async fn a_failing_event_costs_the_same_however_many_wait_behind_it() {
    let site = Site::new("71").await;
    let tables = TableNames::new(PREFIX, None, None).unwrap();
    site.migrate(&site.database, &tables).await;
    site.execute(&waiting_events(PREFIX)).await;
    let statements = Statements::render(&tables);
    let oldest = statements.due_event.sql().as_str().replace('?', "100");
    let first = first_events(&statements, 0);
    let firsts = format!("SELECT SUM(is_first), COUNT(*) FROM ({oldest}) oldest");
    assert_eq!(
        site.rows(&firsts).await[0].clone(),
        ["0", "100"].map(|n| Some(n.to_owned()))
    );
    let (_, read) = look(&site, &oldest).await;
    assert!(read < FEW, "{read} rows");
    let (found, read) = look(&site, &first).await;
    assert!(found == [None] && read < FEW, "{found:?} {read} rows");
    site.execute(
        "INSERT INTO wp_fcom_sidecar_events (user_id, kind, due_at, created_at)
            SELECT 2, 'user_register', UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE, UTC_TIMESTAMP(3) - INTERVAL 200 SECOND",
    )
    .await;
    let (found, read) = look(&site, &first).await;
    assert!(
        matches!(found[..], [None, Some(150..)]) && read < FEW,
        "{found:?} {read}"
    );
}

/// A listener that fails for everybody.
#[tokio::test]
async fn a_look_costs_the_same_however_many_users_wait() {
    let site = Site::new("71").await;
    let tables = TableNames::new(PREFIX, None, None).unwrap();
    site.migrate(&site.database, &tables).await;
    site.execute(&waiting_users(PREFIX)).await;
    let statements = Statements::render(&tables);
    for user_id in [0, 10_000, 50_000, 100_000] {
        let (found, read) = look(&site, &first_events(&statements, user_id)).await;
        assert_eq!(found, [None; 100]);
        assert!(read < FEW, "{read} rows after user {user_id}");
    }
}

/// The statement for a hundred users after this one, with its second column only.
fn first_events(statements: &Statements, user_id: u64) -> String {
    let sql = statements.due_first_event.sql();
    let sql = sql
        .as_str()
        .replacen('?', &user_id.to_string(), 1)
        .replacen('?', "100", 1);
    format!("SELECT seconds FROM ({sql}) firsts")
}
