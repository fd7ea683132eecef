//! Migrates our own tables: `sql/migrations/`, rendered with the site's prefix, recorded in
//! `{prefix}fcom_sidecar_schema`. The ledger says what was done; what is there is compared as well, and mended.

mod blueprint;
mod files;
mod gaps;
mod list;
mod mend;
mod state;

use std::time::{Duration, Instant};

use backon::{ConstantBuilder, Retryable};
use md5::{Digest, Md5};
use sqlx::migrate::Migrator;

use self::files::{migrator, render};
use self::gaps::{Gap, GapKind};
pub use self::state::{OwnTables, missing_migrations, own_tables};
use super::{Cluster, Connection, DatabaseError, Doing, Pool, Statement, TableNames};

/// Creates or updates our tables; does nothing if they are up to date. Any number of instances may call it at once.
///
/// # Errors
/// The database is unreachable, the account may not create tables, or a migration failed.
pub async fn migrate(pool: &Pool, tables: &TableNames) -> Result<(), DatabaseError> {
    let state = pool
        .work(async |connection| own_tables(connection, tables).await)
        .await?;
    // The migrator runs CREATE TABLE IF NOT EXISTS for its ledger, a privilege that the account need not have.
    if state.is_complete() {
        return Ok(());
    }
    let cluster = pool.work(async |connection| Cluster::read(connection).await);
    if cluster.await?.has_several_writers() {
        return migrate_cluster(pool, tables).await;
    }
    pool.long_work(TIME_LIMIT, async |connection| {
        let name = lock(connection, tables).await?;
        let result = apply(connection, tables).await;
        unlock(connection, &name).await?;
        result
    })
    .await
}

/// The nodes of a cluster do not see each other's named locks, and some servers refuse to take one there. Instead the
/// ledger decides: two nodes cannot both record that they have begun a version.
async fn migrate_cluster(pool: &Pool, tables: &TableNames) -> Result<(), DatabaseError> {
    let started = Instant::now();
    let applied = || {
        pool.long_work(TIME_LIMIT, async |connection| {
            apply(connection, tables).await
        })
    };
    let pauses = ConstantBuilder::default().with_delay(PAUSE);
    applied
        .retry(pauses.without_max_times())
        .when(|error| is_overtaken(error) && started.elapsed() < TIME_LIMIT)
        .await
}

/// Whether an instance at another node of a cluster is migrating.
fn is_overtaken(error: &DatabaseError) -> bool {
    error.is_lock_conflict()
        || error.is_duplicate()
        || error.is_unfinished_migration()
        || error.is_done_already()
}

/// Takes the lock and returns its name. The migrator's own lock waits with a negative timeout, which MariaDB treats as
/// zero: two instances that start together would both create everything.
async fn lock(connection: &mut Connection, tables: &TableNames) -> Result<String, DatabaseError> {
    const DOING: &str = "wait for other instances' migrations";
    let database: String = sqlx::query_scalar(DATABASE)
        .fetch_one(&mut *connection)
        .await
        .doing(DOING)?;
    let name = lock_name(&database, tables);
    let locked: Option<i64> = sqlx::query_scalar(LOCK)
        .bind(&name)
        .fetch_one(connection)
        .await
        .doing(DOING)?;
    if locked == Some(1) {
        return Ok(name);
    }
    Err(sqlx::Error::PoolTimedOut).doing(DOING)
}

/// A named lock is global to the server and has at most 64 characters. Older builds let the server compute the same
/// name with its `MD5()`, which MySQL lacks since 9.6, so an old and a new process still exclude each other.
fn lock_name(database: &str, tables: &TableNames) -> String {
    let digest = Md5::digest(format!("{database}.{}", tables.base()));
    format!("fcom_sidecar_{}", hex::encode(digest))
}

/// A lock that is not released ends with its connection.
async fn unlock(connection: &mut Connection, name: &str) -> Result<(), DatabaseError> {
    sqlx::query(UNLOCK)
        .bind(name)
        .execute(connection)
        .await
        .doing("let other instances' migrations go on")?;
    Ok(())
}

/// Between two checks of another node's progress.
const PAUSE: Duration = Duration::from_millis(200);
/// Twice the lock timeout.
const TIME_LIMIT: Duration = Duration::from_mins(2);
/// One minute is ample for a few empty tables.
const LOCK: &str = "SELECT GET_LOCK(?, 60)";
const UNLOCK: &str = "DO RELEASE_LOCK(?)";
const DATABASE: &str = "SELECT CAST(DATABASE() AS CHAR)";

async fn apply(connection: &mut Connection, tables: &TableNames) -> Result<(), DatabaseError> {
    let collation: Option<String> =
        sqlx::query_scalar(Statement::render(COLLATION_OF_USERS, tables).sql())
            .fetch_optional(&mut *connection)
            .await
            .doing("read the collation of the users table")?;
    let collation = collation.unwrap_or_else(|| "utf8mb4_unicode_520_ci".to_owned());
    let migrator = migrator(tables, &collation);
    mend_ledger(&migrator, connection, tables).await?;
    finish(&migrator, connection, tables).await?;
    migrator
        .run_direct(None, connection, false)
        .await
        .doing(DOING)?;
    for gap in gaps::gaps(connection, tables).await? {
        mend(connection, tables, &collation, &gap).await?;
    }
    Ok(())
}

const DOING: &str = "create or update the sidecar's tables";

async fn mend(
    connection: &mut Connection,
    tables: &TableNames,
    collation: &str,
    gap: &Gap,
) -> Result<(), DatabaseError> {
    match &gap.kind {
        GapKind::Table => {
            sqlx::raw_sql(render(gap.table.text, tables, collation))
                .execute(&mut *connection)
                .await
                .doing(DOING)?;
        }
        GapKind::Parts(parts) => mend::mend(connection, tables, &gap.table, parts).await?,
    }
    tracing::warn!("made what was missing: {gap}");
    Ok(())
}

/// The migrator cannot read a ledger without one of its columns. Which versions were applied is still known then.
async fn mend_ledger(
    migrator: &Migrator,
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<(), DatabaseError> {
    let gap = gaps::gaps(connection, tables).await?.into_iter().next();
    let Some(gap) = gap.filter(Gap::is_of_ledger) else {
        return Ok(());
    };
    let GapKind::Parts(parts) = &gap.kind else {
        return Ok(());
    };
    mend::mend(connection, tables, &gap.table, parts).await?;
    for migration in migrator.iter() {
        sqlx::query(Statement::render(RESTORE, tables).sql())
            .bind(&migration.checksum[..])
            .bind(migration.version)
            .execute(&mut *connection)
            .await
            .doing("restore the ledger of migrations")?;
    }
    tracing::warn!("made what was missing: {gap}");
    Ok(())
}

/// Repeats migrations that were begun by a process that was killed, or by another cluster node that is still running
/// them; both cases are safe.
async fn finish(
    migrator: &Migrator,
    connection: &mut Connection,
    tables: &TableNames,
) -> Result<(), DatabaseError> {
    let begun: Result<Vec<i64>, _> = sqlx::query_scalar(Statement::render(BEGUN, tables).sql())
        .fetch_all(&mut *connection)
        .await
        .doing("read which migrations were begun");
    let begun = match begun {
        Err(error) if error.is_missing_table() => return Ok(()),
        begun => begun?,
    };
    for migration in migrator.iter() {
        if !begun.contains(&migration.version) {
            continue;
        }
        sqlx::raw_sql(migration.sql.clone())
            .execute(&mut *connection)
            .await
            .doing("finish a migration")?;
        sqlx::query(Statement::render(DONE, tables).sql())
            .bind(migration.version)
            .execute(&mut *connection)
            .await
            .doing("note that a migration is done")?;
    }
    Ok(())
}

/// Claims must collide whenever the users table's collation treats two values as equal, so they use its collation.
const COLLATION_OF_USERS: &str = "SELECT CAST(COLLATION_NAME AS CHAR) FROM information_schema.COLUMNS \
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '{users}' AND COLUMN_NAME = 'user_email'";

const BEGUN: &str = "SELECT version FROM {prefix}fcom_sidecar_schema WHERE NOT success";

const DONE: &str = "UPDATE {prefix}fcom_sidecar_schema SET success = 1 WHERE version = ?";

const RESTORE: &str = "UPDATE {prefix}fcom_sidecar_schema SET checksum = ? \
    WHERE version = ? AND checksum = ''";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_has_the_name_that_the_servers_md5_gave_it() {
        let tables = TableNames::new("wp_", None, None).unwrap();
        // SELECT MD5(CONCAT('wordpress', '.', 'wp_')) on MariaDB 10.11.
        let expected = "fcom_sidecar_7c5fea81558c33aa5062f211c1e96081";
        assert_eq!(lock_name("wordpress", &tables), expected);
    }
}
