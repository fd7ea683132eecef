//! The ceiling: a bare client that executes exactly the statements of a call, and nothing else. No HTTP, no parsing, no
//! hashing, no decisions.
//!
//! The statements are those that the server noted while the daemon carried out one call; only what must differ from call
//! to call is replaced. What the daemon's tally did after the call's commit is done here as the daemon does it: by one
//! task, once for all calls that wait for it at that moment, and a call has ended when its run is counted.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use fcom_sidecar::config::{Config, Sources};
use fcom_sidecar::db;
use sqlx::mysql::{MySqlArguments, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Executor, MySql, MySqlConnection, MySqlPool, SqlSafeStr};
use tokio::sync::{mpsc, oneshot};

use crate::http::Connection;
use crate::load::{Answer, Subject};
use crate::sidecar::Sidecar;
use crate::site::{self, Kind, Site};
use crate::statements::{Log, Step, Value};

/// Calls before the one that is noted, so that nothing is prepared for it.
const CALLS_BEFORE: u64 = 3;
/// What the names of the noted call are made of. No other text contains it.
const NOTED_NEW: &str = "notedperson";
const NOTED_USER: u64 = 777;
/// Ids that no other number of a statement is.
const FIRST_NEW_USER: u64 = 40_000_000;
const FIRST_RUN: u64 = 50_000_000;
/// As the daemon's tally.
const BATCH: usize = 500;
const INSERT_RUN: &str = "INSERT INTO wp_fcom_sidecar_runs";
const COUNT: &str = "\"running_count\";i:";

/// A counted run's caller waits for this.
type Waiting = (u64, oneshot::Sender<()>);

/// A client that replays one kind of call.
pub(crate) struct Replay {
    pool: MySqlPool,
    call: Vec<Step>,
    noted: Noted,
    users: u64,
    kind: Kind,
    prefix: String,
    tally: mpsc::Sender<Waiting>,
}

/// What is replaced.
#[derive(Clone, Debug)]
struct Noted {
    name: String,
    user_id: u64,
    run_id: u64,
    /// As the log has it.
    call_id: Value,
}

/// What it is replaced by.
struct Own<'a> {
    name: &'a str,
    user_id: u64,
    run_id: u64,
    call_id: [u8; 16],
}

impl Replay {
    /// Has a daemon of its own carry out a call of this kind, and takes over its statements.
    pub(crate) async fn of(site: &Site, kind: Kind, prefix: &str) -> anyhow::Result<Self> {
        let (noted, steps) = note(site, kind).await?;
        let commit = steps.iter().position(|step| step.sql.as_str() == "COMMIT");
        let commit = commit.context("the call does not commit")?;
        let mut call = steps;
        let counting = call.split_off(commit + 1);
        let pool = open_pool(site).await?;
        let (sender, receiver) = mpsc::channel(4096);
        let tally = Tally::new(counting, noted.run_id, pool.clone())?;
        tokio::spawn(tally.run(receiver));
        let replay = Self {
            pool,
            call,
            noted,
            users: site.users,
            kind,
            prefix: prefix.to_owned(),
            tally: sender,
        };
        replay.prove(site).await?;
        Ok(replay)
    }

    /// How many statements a call has, begin and commit included.
    pub(crate) fn statements(&self) -> usize {
        self.call.len()
    }

    /// One call must have the effects of the noted one.
    async fn prove(&self, site: &Site) -> anyhow::Result<()> {
        let count = async || {
            site.number(&format!(
                "SELECT (SELECT COUNT(*) FROM wp_fcom_sidecar_runs WHERE tallied = 1) * 1000000 \
                     + (SELECT COUNT(*) FROM wp_users WHERE ID >= {FIRST_NEW_USER}) * 1000 \
                     + (SELECT COUNT(*) FROM wp_usermeta WHERE user_id >= {FIRST_NEW_USER}) \
                     + (SELECT COUNT(*) FROM wp_fcom_xprofile WHERE user_id >= {FIRST_NEW_USER})"
            ))
            .await
        };
        let before = count().await?;
        self.call(&mut (), 999_999_999).await?;
        let grown = count().await? - before;
        let expected = match self.kind {
            Kind::Known | Kind::Moving => 1_000_000,
            Kind::New { .. } => {
                let meta = format!(
                    "SELECT COUNT(*) FROM wp_usermeta WHERE user_id = {}",
                    self.noted.user_id
                );
                1_001_001 + site.number(&meta).await?
            }
        };
        ensure!(
            grown == expected,
            "the replay of {:?} made {grown}, not {expected}: {:#?}",
            self.kind,
            self.call
        );
        Ok(())
    }
}

impl Subject for Replay {
    type Caller = ();

    async fn caller(&self) -> anyhow::Result<()> {
        Ok(())
    }

    async fn call(&self, (): &mut (), number: u64) -> anyhow::Result<Answer> {
        let mut own = match self.kind {
            Kind::New { .. } => (format!("{}{number}", self.prefix), 0),
            Kind::Known | Kind::Moving => {
                let user = site::user(number, self.users);
                (site::name(user), site::id(user))
            }
        };
        let mut own = Own {
            name: &std::mem::take(&mut own.0),
            user_id: own.1,
            run_id: 0,
            call_id: rand::random(),
        };
        let mut connection = self.pool.acquire().await?;
        for step in &self.call {
            let last_id = execute(&mut connection, step, |value| {
                replaced(value, &self.noted, &own)
            })
            .await?;
            let sql = step.sql.as_str();
            if sql.starts_with("INSERT INTO wp_users") {
                own.user_id = last_id;
            } else if sql.starts_with(INSERT_RUN) {
                own.run_id = last_id;
            }
        }
        drop(connection);
        let (sender, counted) = oneshot::channel();
        self.tally.send((own.run_id, sender)).await?;
        counted.await.context("the run was not counted")?;
        Ok(Answer::Executed)
    }
}

/// Carries out one call and returns what is special about it, and its statements.
async fn note(site: &Site, kind: Kind) -> anyhow::Result<(Noted, Vec<Step>)> {
    let is_new = matches!(kind, Kind::New { .. });
    let name = if is_new {
        NOTED_NEW.to_owned()
    } else {
        site::name(NOTED_USER)
    };
    let log = Log::start(site).await?;
    // One connection: on each, the first calls are noted without their values.
    let url = site.server.url(&site.database);
    let sidecar = Sidecar::start_with(&url, "max_connections = 1").await?;
    let next = |table, id| format!("ALTER TABLE {table} AUTO_INCREMENT = {id};");
    site.execute(&next("wp_users", FIRST_NEW_USER)).await?;
    site.execute(&next("wp_fcom_sidecar_runs", FIRST_RUN))
        .await?;
    let mut connection = Connection::open(sidecar.address).await?;
    let mut call = async |name: &str| {
        let request = site::request(kind.key(), &kind.form(name));
        let (status, body) = connection.exchange(&request).await?;
        ensure!(status == 200, "{}", String::from_utf8_lossy(body));
        Ok(())
    };
    for number in 0..CALLS_BEFORE {
        let earlier = if is_new {
            format!("before{number}")
        } else {
            site::name(NOTED_USER + 1 + number)
        };
        call(&earlier).await?;
    }
    let from = log.mark().await?;
    call(&name).await?;
    let to = log.mark().await?;
    drop(sidecar);
    let steps = log.finish(from, to).await?;
    let query = "SELECT id, user_id FROM wp_fcom_sidecar_runs ORDER BY id DESC LIMIT 1";
    let (run_id, user_id) = sqlx::query_as(query).fetch_one(site.pool()).await?;
    let mut inserted = steps
        .iter()
        .filter(|step| step.sql.as_str().starts_with(INSERT_RUN));
    let call_id = inserted.find_map(|step| step.value_of("call_id"));
    let call_id = call_id.context("no run was recorded")?.clone();
    let noted = Noted {
        name,
        user_id,
        run_id,
        call_id,
    };
    // The daemon looks for uncounted runs every few seconds; that belongs to no call.
    let is_of_call = |step: &Step| !step.sql.as_str().contains("WHERE tallied = 0 AND id >");
    Ok((noted, steps.into_iter().filter(is_of_call).collect()))
}

/// As many connections as the daemon has by default, with the same session.
async fn open_pool(site: &Site) -> anyhow::Result<MySqlPool> {
    let url = site.server.url(&site.database);
    let config = Config::load(Sources {
        overrides: vec![("database.url".to_owned(), url)],
        ..Sources::default()
    })?;
    let options = MySqlPoolOptions::new()
        .max_connections(config.database.max_connections)
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                let session = format!("SET SESSION sql_mode = '{}'", db::SQL_MODE);
                connection.execute(AssertSqlSafe(session)).await?;
                connection
                    .execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
                    .await?;
                Ok(())
            })
        });
    let options = options.connect_with(db::connect_options(&config.database)?);
    Ok(options.await?)
}

fn replaced(value: &Value, noted: &Noted, own: &Own<'_>) -> Value {
    let number = |text: &str| {
        if text == noted.user_id.to_string() {
            Some(own.user_id.to_string())
        } else if text == noted.run_id.to_string() {
            Some(own.run_id.to_string())
        } else {
            None
        }
    };
    match value {
        value if *value == noted.call_id => Value::Bytes(own.call_id.to_vec()),
        Value::Number(text) => Value::Number(number(text).unwrap_or_else(|| text.clone())),
        Value::Text(text) => {
            Value::Text(number(text).unwrap_or_else(|| text.replace(&noted.name, own.name)))
        }
        other => other.clone(),
    }
}

/// Executes a step and reads all of its answer. Returns the id of the row that it inserted.
async fn execute(
    connection: &mut MySqlConnection,
    step: &Step,
    replace: impl Fn(&Value) -> Value,
) -> anyhow::Result<u64> {
    let Some(values) = &step.values else {
        sqlx::raw_sql(step.sql.clone()).execute(connection).await?;
        return Ok(0);
    };
    let query = sqlx::query::<MySql>(step.sql.clone());
    let query = values.iter().map(replace).fold(query, bind);
    Ok(query.execute(connection).await?.last_insert_id())
}

type Query = sqlx::query::Query<'static, MySql, MySqlArguments>;

fn bind(query: Query, value: Value) -> Query {
    match value {
        Value::Null => query.bind(None::<String>),
        Value::Number(text) => match text.parse::<i64>() {
            Ok(number) => query.bind(number),
            Err(_) => query.bind(text),
        },
        Value::Text(text) => query.bind(text),
        Value::Bytes(bytes) => query.bind(bytes),
    }
}

/// Counts runs as the daemon's tally does.
struct Tally {
    steps: Vec<Step>,
    run_id: u64,
    pool: MySqlPool,
    counted: AtomicU64,
}

impl Tally {
    fn new(steps: Vec<Step>, run_id: u64, pool: MySqlPool) -> anyhow::Result<Self> {
        let texts: Vec<&str> = steps.iter().map(|step| step.sql.as_str()).collect();
        ensure!(
            texts.last() == Some(&"COMMIT") && texts.iter().any(|sql| marks_runs(sql)),
            "the tally is not where it is looked for: {texts:#?}"
        );
        Ok(Self {
            steps,
            run_id,
            pool,
            counted: AtomicU64::new(1),
        })
    }

    async fn run(self, mut queue: mpsc::Receiver<Waiting>) {
        let mut waiting = Vec::new();
        while queue.recv_many(&mut waiting, BATCH).await > 0 {
            let runs = waiting.iter().map(|(run, _)| *run).collect();
            match self.count(runs).await {
                Ok(()) => {
                    for (_, counted) in waiting.drain(..) {
                        // The caller may have given up.
                        let _ = counted.send(());
                    }
                }
                // Callers whose sender is dropped see an error.
                Err(error) => {
                    eprintln!("a tally failed: {error:#}");
                    waiting.clear();
                }
            }
        }
    }

    async fn count(&self, mut runs: Vec<u64>) -> anyhow::Result<()> {
        let added = runs.len() as u64;
        let count = self.counted.fetch_add(added, Ordering::Relaxed);
        // As the daemon does, so that there are few texts to prepare.
        let last = runs[runs.len() - 1];
        runs.resize(runs.len().next_power_of_two(), last);
        let mut connection = self.pool.acquire().await?;
        for step in &self.steps {
            if marks_runs(step.sql.as_str()) {
                let ids = vec!["?"; runs.len()].join(", ");
                let sql = step.sql.as_str().replace("(?)", &format!("({ids})"));
                let step = Step {
                    sql: AssertSqlSafe(sql).into_sql_str(),
                    values: Some(runs.iter().map(|run| number(*run)).collect()),
                };
                execute(&mut connection, &step, Value::clone).await?;
                continue;
            }
            execute(&mut connection, step, |value| match value {
                Value::Text(text) => Value::Text(with_count(text, count)),
                other if *other == number(self.run_id) => number(last),
                other => other.clone(),
            })
            .await?;
        }
        Ok(())
    }
}

fn number(number: u64) -> Value {
    Value::Number(number.to_string())
}

fn marks_runs(sql: &str) -> bool {
    sql.contains("SET tallied = 1")
}

/// A webhook's record with another number of runs, so that the row does change.
fn with_count(record: &str, count: u64) -> String {
    let Some((head, tail)) = record.split_once(COUNT) else {
        return record.to_owned();
    };
    let tail = tail.trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{head}{COUNT}{count}{tail}")
}
