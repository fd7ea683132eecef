//! A sample site in its own database, and plain SQL on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fcom_sidecar::config::{Config, Sources};
use fcom_sidecar::db::{self, TableNames};
use fcom_sidecar::sample::server::{Family, Options, PrivateServer};
use sqlx::mysql::{MySqlPoolOptions, MySqlRow};
use sqlx::{AssertSqlSafe, Executor, MySql, MySqlPool, Row, Transaction};
use tokio::sync::OnceCell;

use crate::harness::eventually::{eventually, until};
use crate::harness::webhook_record::{self, running_count};

/// Locks the row of a user for whom many tests call.
pub(crate) const KNOWN_USER: &str = "SELECT ID FROM wp_users WHERE ID = 2 FOR UPDATE";

/// The table prefix of every fixture.
pub(crate) const PREFIX: &str = "wp_";

/// The key of a webhook without spaces and courses, which sends the welcome mail.
pub(crate) const PLAIN_HOOK: &str = "11111111111111111111111111111111";
/// Adds to spaces and courses and removes from others, with mail.
pub(crate) const MEMBERS_HOOK: &str = "22222222222222222222222222222222";
/// Adds to three spaces whose ids are strings, without mail.
pub(crate) const SPACES_HOOK: &str = "33333333333333333333333333333333";
/// Removes from everything, without mail; it has run 41 times.
pub(crate) const LEAVING_HOOK: &str = "44444444444444444444444444444444";

/// A fixture: its name, its WordPress release, and the dump.
pub(crate) struct Fixture {
    pub(crate) name: &'static str,
    pub(crate) wordpress: &'static str,
    sql: &'static str,
}

macro_rules! fixture {
    ($name:literal, $wordpress:literal) => {
        Fixture {
            name: $name,
            wordpress: $wordpress,
            sql: include_str!(concat!("../../../sql/fixtures/wordpress-", $name, ".sql")),
        }
    };
}

pub(crate) static FIXTURES: [Fixture; 5] = [
    fixture!("61", "6.1.12"),
    fixture!("67", "6.7.7"),
    fixture!("68", "6.8.8"),
    fixture!("70", "7.0.4"),
    fixture!("71", "7.1"),
];

/// The server of this test run.
static SERVER: OnceCell<Arc<PrivateServer>> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(0);

/// The configuration of every test server: its time zone is far from UTC, so that a session that sets its own shows.
/// `FCOM_TEST_SERVER` names a folder of `tests/releases/servers` with another release than the machine's.
pub(crate) fn server_options() -> Options {
    Options {
        root: std::env::var_os("FCOM_TEST_SERVER").map(PathBuf::from),
        default_time_zone: Some("+03:00".to_owned()),
        ..Options::default()
    }
}

async fn shared_server() -> Arc<PrivateServer> {
    let start = || async { PrivateServer::start(server_options()).await.map(Arc::new) };
    SERVER.get_or_try_init(start).await.unwrap().clone()
}

/// A sample site.
pub(crate) struct Site {
    pub(crate) server: Arc<PrivateServer>,
    pub(crate) database: String,
    /// The prefix of the table names.
    pub(crate) prefix: String,
    /// The release, such as `7.1`.
    pub(crate) wordpress: &'static str,
    /// The highest user id of the fixture: users above it were created by the test.
    pub(crate) last_user: u64,
    /// The fixture's `running_count` per webhook id.
    pub(crate) earlier_runs: BTreeMap<u64, u64>,
    pool: MySqlPool,
}

impl Site {
    /// A site from the fixture of this name (`71`) on the shared server.
    pub(crate) async fn new(fixture: &str) -> Self {
        Self::on(shared_server().await, fixture).await
    }

    /// The same on a dedicated server, which the test may kill.
    pub(crate) async fn on(server: Arc<PrivateServer>, fixture: &str) -> Self {
        let fixture = FIXTURES.iter().find(|one| one.name == fixture).unwrap();
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let database = format!("site_{number}_{}", fixture.name);
        load(&server, &database, fixture).await;
        let pool = pool(&server, &database);
        let mut site = Self {
            server,
            database,
            prefix: PREFIX.to_owned(),
            wordpress: fixture.wordpress,
            last_user: 0,
            earlier_runs: BTreeMap::new(),
            pool,
        };
        site.last_user = site.number("SELECT MAX(ID) FROM wp_users").await;
        for (id, value) in site.webhooks().await {
            site.earlier_runs.insert(id, running_count(&value));
        }
        site
    }

    /// The same site as seen on another server.
    pub(crate) fn at(&self, server: Arc<PrivateServer>) -> Self {
        let pool = pool(&server, &self.database);
        Self {
            server,
            database: self.database.clone(),
            prefix: self.prefix.clone(),
            wordpress: self.wordpress,
            last_user: self.last_user,
            earlier_runs: self.earlier_runs.clone(),
            pool,
        }
    }

    /// Loads the same fixture once more, into a database of this name.
    pub(crate) async fn load_copy(&self, database: &str) {
        let wordpress = self.wordpress;
        let fixture = FIXTURES
            .iter()
            .find(|one| one.wordpress == wordpress)
            .unwrap();
        load(&self.server, database, fixture).await;
    }

    /// Renames every table, and what contains the prefix: the role option and the capability keys.
    pub(crate) async fn rename(&mut self, prefix: &str) {
        const TABLES: &str =
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()";
        let mut sql = String::new();
        for table in self.column(TABLES).await {
            let new = table.replacen(PREFIX, prefix, 1);
            sql.push_str(&format!("RENAME TABLE {table} TO {new};"));
        }
        sql.push_str(&format!(
            "UPDATE {prefix}options SET option_name = '{prefix}user_roles' WHERE option_name = 'wp_user_roles'; \
             UPDATE {prefix}usermeta SET meta_key = REPLACE(meta_key, 'wp_', '{prefix}') \
             WHERE meta_key IN ('wp_capabilities', 'wp_user_level')"
        ));
        self.execute(&sql).await;
        prefix.clone_into(&mut self.prefix);
    }

    /// Connections to the database, as `root`.
    pub(crate) fn pool(&self) -> &MySqlPool {
        &self.pool
    }

    /// Creates our tables in a database of this server.
    pub(crate) async fn migrate(&self, database: &str, tables: &TableNames) {
        let url = ("database.url".to_owned(), self.server.url(database));
        let config = Config::load(Sources {
            overrides: vec![url],
            ..Sources::default()
        });
        let pool = db::open(&config.unwrap().database, Arc::new(db::Unobserved)).unwrap();
        db::migrate(&pool, tables).await.unwrap();
    }

    /// The database URL for the daemon.
    pub(crate) fn url(&self) -> String {
        self.server.url(&self.database)
    }

    /// Takes an administrator's rights from the daemon's account: it gets no reserved connection, and `read_only` binds it.
    pub(crate) async fn make_the_account_an_ordinary_one(&self) {
        let rights = match self.server.family() {
            Family::MariaDb => "SUPER, CONNECTION ADMIN, READ_ONLY ADMIN",
            Family::MySql => "SUPER, CONNECTION_ADMIN",
        };
        let revoke = format!("REVOKE {rights} ON *.* FROM sidecar@'%'");
        self.execute(&revoke).await;
    }

    /// Executes one or more statements.
    pub(crate) async fn execute(&self, sql: &str) {
        self.try_execute(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The same; it may fail.
    pub(crate) async fn try_execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        // Sound: all SQL of the tests is their own.
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Executes all of the statements or none.
    pub(crate) async fn try_transaction(&self, sql: &str) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// All rows, every value as the server writes it in text.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
            .iter()
            .map(|row| (0..row.len()).map(|index| cell(row, index)).collect())
            .collect()
    }

    /// The first column, without NULLs.
    pub(crate) async fn column(&self, sql: &str) -> Vec<String> {
        let rows = self.rows(sql).await;
        rows.into_iter()
            .filter_map(|mut row| row.swap_remove(0))
            .collect()
    }

    /// A single value.
    pub(crate) async fn text(&self, sql: &str) -> Option<String> {
        self.column(sql).await.into_iter().next()
    }

    /// A single number; NULL and no row are 0.
    pub(crate) async fn number(&self, sql: &str) -> u64 {
        self.text(sql).await.map_or(0, |text| text.parse().unwrap())
    }

    /// A count among the statements that sessions execute; 0 where MySQL cannot show one of them, because it has bytes that
    /// are no text (error 3854). Ask again.
    pub(crate) async fn count_of_sessions(&self, count: &str) -> u64 {
        let counted = sqlx::query_scalar::<_, i64>(sqlx::AssertSqlSafe(count.to_owned()));
        let counted = counted.fetch_one(&self.pool).await;
        counted.map_or(0, |count| count.try_into().unwrap())
    }

    /// Waits until a query counts something.
    #[track_caller]
    pub(crate) fn comes(&self, count: &str) -> impl Future<Output = ()> {
        eventually(async move || match self.number(count).await {
            0 => Err(format!("still nothing: {count}")),
            _ => Ok(()),
        })
    }

    /// Waits until a query counts nothing any more.
    #[track_caller]
    pub(crate) fn goes(&self, count: &str) -> impl Future<Output = ()> {
        eventually(async move || match self.number(count).await {
            0 => Ok(()),
            left => Err(format!("still {left}: {count}")),
        })
    }

    /// Id and record of every webhook.
    pub(crate) async fn webhooks(&self) -> Vec<(u64, String)> {
        let sql = "SELECT id, value FROM wp_fcom_meta WHERE object_type = 'webhook' AND value IS NOT NULL";
        let rows = self.rows(sql).await;
        rows.into_iter()
            .map(|row| {
                (
                    row[0].as_ref().unwrap().parse().unwrap(),
                    row[1].clone().unwrap(),
                )
            })
            .collect()
    }

    /// Rewrites the plain webhook with these lists of ids and no mail.
    pub(crate) async fn set_plain_hook(&self, lists: &[(&str, &[u64])]) {
        let (prefix, record) = (&self.prefix, webhook_record::write(lists, "no"));
        self.execute(&format!(
            "UPDATE {prefix}fcom_meta SET value = '{record}' WHERE meta_key = '{PLAIN_HOOK}'"
        ))
        .await;
    }

    /// Locks rows until the transaction ends.
    pub(crate) async fn lock(&self, select: &'static str) -> Transaction<'_, MySql> {
        let mut transaction = self.pool.begin().await.unwrap();
        let locked = sqlx::raw_sql(select).execute(&mut *transaction).await;
        locked.unwrap();
        transaction
    }

    /// Waits until a call waits for a locked user.
    pub(crate) async fn a_call_waits(&self) {
        let waits = async || self.calls_that_wait().await > 0;
        until("no call waits for the user", waits).await;
    }

    /// The number of calls that wait for a user whose row another session has locked.
    pub(crate) async fn calls_that_wait(&self) -> u64 {
        let waiting = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{}' AND command = 'Query' \
             AND id <> CONNECTION_ID() AND info LIKE '%wp_users%FOR UPDATE%'",
            self.database
        );
        self.count_of_sessions(&waiting).await
    }

    /// The server's clock in Unix seconds, which is the daemon's, since both run on this machine.
    pub(crate) async fn now(&self) -> u64 {
        self.number("SELECT UNIX_TIMESTAMP()").await
    }
}

/// MariaDB's default. MySQL's refuses zero dates, which are the defaults of WordPress's columns.
const SQL_MODE: &str = "SET SESSION sql_mode = 'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'";

fn pool(server: &PrivateServer, database: &str) -> MySqlPool {
    MySqlPoolOptions::new()
        .max_connections(4)
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SQL_MODE).await.map(drop) })
        })
        .connect_lazy_with(server.connect_options(Some(database)))
}

/// The path of a call with this key.
pub(crate) fn target(key: &str) -> String {
    format!("/portal/?fcom_action=incoming_webhook&webhook={key}")
}

async fn load(server: &PrivateServer, database: &str, fixture: &Fixture) {
    server.create_database(database).await.unwrap();
    server.load_sql(database, fixture.sql).await.unwrap();
}

/// Statements without parameters are answered in text, so that every type reads as a string.
fn cell(row: &MySqlRow, index: usize) -> Option<String> {
    row.try_get_unchecked(index).unwrap()
}
