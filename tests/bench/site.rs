//! A site with many users, and the calls to it.

mod fill;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use fcom_sidecar::sample::server::Options;
pub(crate) use fcom_sidecar::sample::server::PrivateServer as Server;
use sqlx::{AssertSqlSafe, ConnectOptions, MySqlPool};

use crate::http::{self, Calls};

const FIXTURE: &str = include_str!("../../sql/fixtures/wordpress-71.sql");
/// No spaces or courses. Sends no mail, because the WordPress baseline sends none.
const PLAIN_HOOK: &str = "11111111111111111111111111111111";
/// Its row's id.
pub(crate) const PLAIN_HOOK_ID: u64 = 3;
/// Adds users to three spaces.
const JOINING_HOOK: &str = "33333333333333333333333333333333";
/// Removes them again.
const LEAVING_HOOK: &str = "44444444444444444444444444444444";
/// The last id before the users'.
const BEFORE_USERS: u64 = 100_000;
/// Calls that follow each other concern users that are far apart in the tables. A prime, so that every user gets a
/// turn.
const STRIDE: u64 = 7919;
/// Makes members of three spaces, of which all users of the site are members already.
pub(crate) const MEMBER_HOOK: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
/// Those spaces.
pub(crate) const SPACES: [u64; 3] = [101, 102, 103];

/// A private server with durable commits: they survive a power cut.
pub(crate) async fn start_server(arguments: &[String]) -> anyhow::Result<Server> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&folder)?;
    let options = Options {
        flush_log_at_commit: 1,
        folder: Some(folder),
        arguments: arguments.to_vec(),
        ..Options::default()
    };
    Ok(Server::start(options).await?)
}

/// A site in a database of its own.
pub(crate) struct Site {
    pub(crate) server: Arc<Server>,
    pub(crate) database: String,
    /// The number of users at the start, in addition to those of the fixture.
    pub(crate) users: u64,
    pool: MySqlPool,
}

impl Site {
    /// Creates a WordPress 7.1 site with this many users, each a member of `memberships` spaces.
    pub(crate) async fn fill(
        server: &Arc<Server>,
        users: u64,
        memberships: u64,
    ) -> anyhow::Result<Self> {
        let database = format!("site_{users}");
        server.create_database(&database).await?;
        server.load_sql(&database, FIXTURE).await?;
        let site = Self {
            server: Arc::clone(server),
            pool: MySqlPool::connect_lazy_with(server.connect_options(Some(&database))),
            database,
            users,
        };
        site.execute(&format!(
            "SET GLOBAL innodb_flush_log_at_trx_commit = 0; {}",
            fill::spaces(memberships)
        ))
        .await?;
        // Two at once, for two processors.
        let [metadata, others] = fill::rows(users, memberships);
        tokio::try_join!(site.execute_all(&metadata), site.execute_all(&others))?;
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

    /// Adds what a daemon has written so far, to the tables that it has created: ten runs for each user, a mail and an event,
    /// and refused calls.
    pub(crate) async fn fill_history(&self) -> anyhow::Result<()> {
        self.execute("SET GLOBAL innodb_flush_log_at_trx_commit = 0")
            .await?;
        let [runs, others] = fill::history(self.users);
        tokio::try_join!(self.execute_all(&runs), self.execute_all(&others))?;
        self.execute(
            "ANALYZE TABLE wp_fcom_sidecar_runs, wp_fcom_sidecar_mail, wp_fcom_sidecar_events, wp_fcom_sidecar_refused; \
             SET GLOBAL innodb_flush_log_at_trx_commit = 1",
        )
        .await
    }

    /// Executes one or more statements.
    pub(crate) async fn execute(&self, sql: &str) -> anyhow::Result<()> {
        // Sound: all SQL of the bench is its own.
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        sql.execute(&self.pool).await?;
        Ok(())
    }

    async fn execute_all(&self, statements: &[String]) -> anyhow::Result<()> {
        for statement in statements {
            let begin: String = statement.chars().take(120).collect();
            self.execute(statement).await.context(begin)?;
        }
        Ok(())
    }

    /// A single number.
    pub(crate) async fn number(&self, sql: &str) -> anyhow::Result<u64> {
        let sql =
            sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("SELECT CAST(({sql}) AS SIGNED)")));
        let number = sql.fetch_one(&self.pool).await;
        Ok(number.context("a number is missing")?.try_into()?)
    }

    pub(crate) fn pool(&self) -> &MySqlPool {
        &self.pool
    }
}

/// Which release the server is.
pub(crate) async fn version(server: &Server) -> anyhow::Result<String> {
    let mut connection = server.connect_options(None).connect().await?;
    let version = sqlx::query_scalar("SELECT VERSION()");
    Ok(version.fetch_one(&mut connection).await?)
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
    /// The same, of a webhook with three spaces of which the user is a member already.
    Member,
    /// Adds or removes three memberships with each call.
    Moving,
    /// Without a password, and a member of three spaces.
    NewMember,
    New {
        password: bool,
    },
}

impl Kind {
    pub(crate) fn form(self, name: &str) -> String {
        match self {
            Self::Known | Self::Member | Self::Moving => known_form(name),
            Self::NewMember => new_form(name, false),
            Self::New { password } => new_form(name, password),
        }
    }

    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Moving => JOINING_HOOK,
            Self::Member | Self::NewMember => MEMBER_HOOK,
            Self::Known | Self::New { .. } => PLAIN_HOOK,
        }
    }

    /// Calls of this kind to a daemon; the names of new users begin with `prefix`.
    pub(crate) fn calls(self, address: std::net::SocketAddr, users: u64, prefix: &str) -> Calls {
        let prefix = prefix.to_owned();
        let request = move |number| match self {
            Self::Known | Self::Member => {
                request(self.key(), &known_form(&name(user(number, users))))
            }
            Self::Moving => {
                // A thousand users join and then leave, so that every measurement has as many of each.
                let (round, member) = (number / 1000, number % 1000);
                let leaves = round % 2 == 1;
                let key = if leaves { LEAVING_HOOK } else { JOINING_HOOK };
                let member = round / 2 * 1000 + member;
                request(key, &known_form(&name(user(member, users))))
            }
            Self::New { .. } | Self::NewMember => {
                request(self.key(), &self.form(&format!("{prefix}{number}")))
            }
        };
        Calls {
            address,
            request: Arc::new(request),
            success: 200,
        }
    }
}
