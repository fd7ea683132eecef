//! A site with many users, and the calls to it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use fcom_sidecar::sample::server::{Options, PrivateServer};
use sqlx::{AssertSqlSafe, MySqlPool};

use crate::http::{self, Calls};

const FIXTURE: &str = include_str!("../../sql/fixtures/wordpress-71.sql");
/// No spaces or courses. Sends no mail, because the WordPress baseline sends none.
const PLAIN_HOOK: &str = "11111111111111111111111111111111";
/// Adds users to three spaces.
const JOINING_HOOK: &str = "33333333333333333333333333333333";
/// Removes them again.
const LEAVING_HOOK: &str = "44444444444444444444444444444444";
/// The last id before the users'.
const BEFORE_USERS: u64 = 100_000;
/// Calls that follow each other concern users that are far apart in the tables. A prime, so that every user gets a
/// turn.
const STRIDE: u64 = 7919;
/// Users inserted in one transaction.
const BITE: u64 = 50_000;

/// A private server with durable commits: they survive a power cut.
pub(crate) async fn start_server() -> anyhow::Result<PrivateServer> {
    let arguments = [
        "--innodb-buffer-pool-size=256M",
        "--innodb-log-file-size=256M",
    ];
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let options = Options {
        flush_log_at_commit: 1,
        folder: Some(folder),
        arguments: arguments.map(str::to_owned).to_vec(),
        ..Options::default()
    };
    Ok(PrivateServer::start(options).await?)
}

/// A site in a database of its own.
pub(crate) struct Site {
    pub(crate) server: Arc<PrivateServer>,
    pub(crate) database: String,
    /// The number of users at the start, in addition to those of the fixture.
    pub(crate) users: u64,
    pool: MySqlPool,
}

impl Site {
    /// Creates a WordPress 7.1 site with this many users.
    pub(crate) async fn fill(server: &Arc<PrivateServer>, users: u64) -> anyhow::Result<Self> {
        let database = format!("site_{users}");
        server.create_database(&database).await?;
        server.load_sql(&database, FIXTURE).await?;
        let site = Self {
            server: Arc::clone(server),
            pool: MySqlPool::connect_lazy_with(server.connect_options(Some(&database))),
            database,
            users,
        };
        site.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
            .await?;
        let mut first = 1;
        while first <= users {
            let last = users.min(first + BITE - 1);
            for rows in rows(first, last) {
                site.execute(&rows).await?;
            }
            first = last + 1;
        }
        site.execute(&format!(
            "UPDATE wp_fcom_meta SET value = REPLACE(value, 's:3:\"yes\"', 's:2:\"no\"') \
             WHERE meta_key = '{PLAIN_HOOK}'; \
             UPDATE wp_options SET option_value = (SELECT COUNT(*) FROM wp_users) WHERE option_name = 'user_count'; \
             ANALYZE TABLE wp_users, wp_usermeta, wp_fcom_xprofile, wp_fcom_space_user; \
             SET GLOBAL innodb_flush_log_at_trx_commit = 1"
        ))
        .await?;
        Ok(site)
    }

    /// Executes one or more statements.
    pub(crate) async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        // Sound: all SQL of the bench is its own.
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        sql.execute(&self.pool).await?;
        Ok(())
    }

    /// A single number.
    pub(crate) async fn number(&self, sql: &str) -> anyhow::Result<u64> {
        let sql = sqlx::query_scalar::<_, i64>(AssertSqlSafe(sql.to_owned()));
        let number = sql.fetch_one(&self.pool).await;
        Ok(number.context("a number is missing")?.try_into()?)
    }

    pub(crate) fn pool(&self) -> &MySqlPool {
        &self.pool
    }
}

/// Statements that insert these users: their rows as the daemon would have written them.
fn rows(first: u64, last: u64) -> [String; 4] {
    let users = format!("seq_{first}_to_{last}");
    let id = format!("{BEFORE_USERS} + seq");
    let meta = [
        ("nickname", "CONCAT('member', seq)"),
        ("first_name", "'Member'"),
        ("last_name", "CONCAT('Number ', seq)"),
        ("description", "''"),
        ("rich_editing", "'true'"),
        ("syntax_highlighting", "'true'"),
        ("comment_shortcuts", "'false'"),
        ("admin_color", "'modern'"),
        ("use_ssl", "'0'"),
        ("show_admin_bar_front", "'true'"),
        ("locale", "''"),
        ("wp_capabilities", r#"'a:1:{s:10:"subscriber";b:1;}'"#),
        ("wp_user_level", "'0'"),
        ("infinite_scrolling", "'true'"),
    ];
    let meta = meta.map(|(key, value)| {
        format!("SELECT {id} AS user_id, '{key}' AS meta_key, {value} AS meta_value FROM {users}")
    });
    [
        format!(
            "INSERT INTO wp_users \
                 (ID, user_login, user_pass, user_nicename, user_email, user_registered, display_name) \
             SELECT {id}, CONCAT('member', seq), CONCAT('$P$B', LEFT(SHA2(seq, 256), 30)), CONCAT('member', seq), \
                 CONCAT('member', seq, '@bench.example'), '2026-01-01 00:00:00', CONCAT('Member Number ', seq) \
             FROM {users}"
        ),
        format!(
            "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) {} ORDER BY user_id",
            meta.join(" UNION ALL ")
        ),
        format!(
            "INSERT INTO wp_fcom_xprofile \
                 (user_id, username, status, display_name, short_description, created_at, updated_at) \
             SELECT {id}, CONCAT('member', seq), 'active', CONCAT('Member Number ', seq), '', \
                 '2026-01-01 00:00:00', '2026-01-01 00:00:00' FROM {users}"
        ),
        format!(
            "INSERT INTO wp_fcom_space_user (space_id, user_id, created_at, updated_at) \
             SELECT 7, {id}, '2026-01-01 00:00:00', '2026-01-01 00:00:00' FROM {users}"
        ),
    ]
}

/// The user that the call with this number concerns, out of `users`.
pub(crate) fn user(number: u64, users: u64) -> u64 {
    1 + number * STRIDE % users
}

/// The id of a user.
pub(crate) fn id(user: u64) -> u64 {
    BEFORE_USERS + user
}

/// The base of a user's e-mail address and names.
pub(crate) fn name(user: u64) -> String {
    format!("member{user}")
}

/// The form of a call for a known user.
pub(crate) fn known_form(name: &str) -> String {
    format!("email={name}%40bench.example")
}

/// The form of a call for a new user.
pub(crate) fn new_form(name: &str, password: bool) -> String {
    let mut form = format!("email={name}%40bench.example&first_name={name}&last_name=Bench");
    if password {
        form.push_str("&user_password=correct+horse+battery");
    }
    form
}

/// The request of a webhook call.
pub(crate) fn request(key: &str, form: &str) -> String {
    http::post(
        &format!("/portal/?fcom_action=incoming_webhook&webhook={key}"),
        "Content-Type: application/x-www-form-urlencoded\r\n",
        form,
    )
}

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Changes only `running_count`.
    Known,
    /// Adds or removes three memberships with each call.
    Moving,
    New {
        password: bool,
    },
}

impl Kind {
    pub(crate) fn form(self, name: &str) -> String {
        match self {
            Self::Known | Self::Moving => known_form(name),
            Self::New { password } => new_form(name, password),
        }
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Moving => JOINING_HOOK,
            Self::Known | Self::New { .. } => PLAIN_HOOK,
        }
    }

    /// Calls of this kind to a daemon; the names of new users begin with `prefix`.
    pub(crate) fn calls(self, address: std::net::SocketAddr, users: u64, prefix: &str) -> Calls {
        let prefix = prefix.to_owned();
        let request = move |number| match self {
            Self::Known => request(PLAIN_HOOK, &known_form(&name(user(number, users)))),
            Self::Moving => {
                // A thousand users join and then leave, so that every measurement has as many of each.
                let (round, member) = (number / 1000, number % 1000);
                let leaves = round % 2 == 1;
                let key = if leaves { LEAVING_HOOK } else { JOINING_HOOK };
                let member = round / 2 * 1000 + member;
                request(key, &known_form(&name(user(member, users))))
            }
            Self::New { .. } => request(PLAIN_HOOK, &self.form(&format!("{prefix}{number}"))),
        };
        Calls {
            address,
            request: Arc::new(request),
            success: 200,
        }
    }
}
