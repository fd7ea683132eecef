//! The ceiling: a bare client that executes the statements of a call and does nothing else. No HTTP, no parsing, no
//! hashing, no decisions.
//!
//! The statements are those that the server logged while the daemon carried out one call, in the same batches; only
//! values that must differ between calls are replaced. The daemon's tally runs after the call's commit, and this client
//! does the same: one task counts the runs of all calls that wait at that moment, and a call ends when its run is
//! counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use fcom_sidecar::config::{Config, Sources};
use fcom_sidecar::db::{self, DatabaseError, Pool};
use futures_util::TryStreamExt;
use sqlx::mysql::MySqlArguments;
use sqlx::{
    AssertSqlSafe, Either, Executor, MySql, MySqlConnection, SqlSafeStr, SqlStr, Transaction,
};
use tokio::sync::{mpsc, oneshot};

use crate::http::Connection;
use crate::load::{Answer, Subject};
use crate::sidecar::Sidecar;
use crate::site::{self, Kind, Site};
use crate::statements::{Log, Step, Value};
use crate::template::{Differences, Template};

/// Calls before the recorded one, so that it prepares no statements.
const CALLS_BEFORE: u64 = 3;
/// The names of the recorded call are made of this. No other text contains it.
const NOTED_NEW: &str = "notedperson";
const NOTED_USER: u64 = 377;
/// Ids that occur nowhere else in a statement.
const FIRST_NEW_USER: u64 = 40_000_000;
const FIRST_RUN: u64 = 50_000_000;
/// The same as the daemon's tally.
const BATCH: usize = 500;
const INSERT_USER: &str = "INSERT INTO wp_users";
const INSERT_RUN: &str = "INSERT INTO wp_fcom_sidecar_runs";

/// The caller waits on this until its run is counted.
type Waiting = (u64, oneshot::Sender<()>);

/// What the client sends, and what it has to read from the answers.
struct Request {
    text: Text,
    /// The indexes of the answers that contain the new user's id and the run's id.
    user_id_from: Option<usize>,
    run_id_from: Option<usize>,
}

enum Text {
    Batch(Template),
    Prepared(SqlStr, Vec<Value>),
}

/// A client that replays one kind of call.
pub(crate) struct Replay {
    pool: Pool,
    call: Vec<Request>,
    noted: Differences,
    users: u64,
    kind: Kind,
    prefix: String,
    tally: mpsc::Sender<Waiting>,
}

impl Replay {
    /// Runs a separate daemon, makes a call of this kind, and records its statements.
    pub(crate) async fn of(site: &Site, kind: Kind, prefix: &str) -> anyhow::Result<Self> {
        let (noted, mut call) = note(site, kind).await?;
        let commit = call.iter().position(|step| step.sql.ends_with("COMMIT"));
        let counting = call.split_off(commit.context("the call does not commit")? + 1);
        let ends = counting
            .last()
            .is_some_and(|step| step.sql.ends_with("COMMIT"));
        let marks = counting
            .iter()
            .any(|step| step.sql.contains("SET tallied = 1"));
        ensure!(ends && marks, "this is no tally: {counting:#?}");
        let requests = |steps: &[Step]| -> Vec<Request> {
            let requests = steps.iter().map(|step| Request::new(step, &noted));
            requests.collect()
        };
        let pool = open_pool(site)?;
        let (sender, receiver) = mpsc::channel(4096);
        let tally = Tally {
            requests: requests(&counting),
            noted: noted.clone(),
            pool: pool.clone(),
            counted: AtomicU64::new(1),
        };
        tokio::spawn(tally.run(receiver));
        let replay = Self {
            pool,
            call: requests(&call),
            noted,
            users: site.users,
            kind,
            prefix: prefix.to_owned(),
            tally: sender,
        };
        replay.prove(site).await?;
        Ok(replay)
    }

    /// The number of round trips of a call up to its commit.
    pub(crate) fn round_trips(&self) -> usize {
        self.call.len()
    }

    /// Checks that one replayed call has the effects of the recorded one.
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
            Kind::Known | Kind::Member | Kind::Moving => 1_000_000,
            Kind::New { .. } | Kind::NewMember => {
                let meta = format!(
                    "SELECT COUNT(*) FROM wp_usermeta WHERE user_id = {}",
                    self.noted.user_id
                );
                1_001_001 + site.number(&meta).await?
            }
        };
        ensure!(
            grown == expected,
            "the replay of {:?} made {grown}, not {expected}",
            self.kind
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
        let (name, user_id) = match self.kind {
            Kind::New { .. } | Kind::NewMember => (format!("{}{number}", self.prefix), 0),
            Kind::Known | Kind::Member | Kind::Moving => {
                let user = site::user(number, self.users);
                (site::name(user), site::id(user))
            }
        };
        let call_id: [u8; 16] = rand::random();
        let mut own = Differences {
            name,
            user_id,
            call_id: call_id.to_vec(),
            ..Differences::default()
        };
        send_all(&self.pool, &self.call, &self.noted, &mut own).await?;
        let run_id = *own.run_ids.first().context("no run was recorded")?;
        let (sender, counted) = oneshot::channel();
        self.tally.send((run_id, sender)).await?;
        counted.await.context("the run was not counted")?;
        Ok(Answer::Executed)
    }
}

impl Request {
    fn new(step: &Step, noted: &Differences) -> Self {
        let find = |start: &str| {
            let mut statements = step.sql.split(";\n");
            statements.position(|statement| statement.starts_with(start))
        };
        Self {
            user_id_from: find(INSERT_USER),
            run_id_from: find(INSERT_RUN),
            text: match &step.values {
                None => Text::Batch(Template::new(&step.sql, noted)),
                Some(values) => Text::Prepared(
                    // Sound: the SQL is the daemon's own text.
                    AssertSqlSafe(step.sql.clone()).into_sql_str(),
                    values.clone(),
                ),
            },
        }
    }

    /// Sends the request and reads all answers; stores the ids that they return in `own`.
    async fn send(
        &self,
        connection: &mut MySqlConnection,
        noted: &Differences,
        own: &mut Differences,
    ) -> anyhow::Result<()> {
        let mut ids = Vec::new();
        {
            let mut answers = match &self.text {
                Text::Batch(template) => connection.fetch_many(template.fill(own)),
                Text::Prepared(sql, values) => {
                    let query = sqlx::query::<MySql>(sql.clone());
                    let values = values.iter().map(|value| replaced(value, noted, own));
                    connection.fetch_many(values.fold(query, bind))
                }
            };
            while let Some(part) = answers.try_next().await? {
                if let Either::Left(done) = part {
                    ids.push(done.last_insert_id());
                }
            }
        }
        let id = |index: Option<usize>| index.and_then(|index| ids.get(index)).copied();
        own.user_id = id(self.user_id_from).unwrap_or(own.user_id);
        own.run_ids.extend(id(self.run_id_from));
        Ok(())
    }
}

/// Sends all statements on one connection.
async fn send_all(
    pool: &Pool,
    requests: &[Request],
    noted: &Differences,
    own: &mut Differences,
) -> anyhow::Result<()> {
    let sent = pool.work(async |connection| {
        for request in requests {
            if let Err(error) = request.send(connection, noted, own).await {
                return Ok::<_, DatabaseError>(Err(error));
            }
        }
        Ok(Ok(()))
    });
    sent.await?
}

/// Carries out one call and returns the values specific to it, and its statements.
async fn note(site: &Site, kind: Kind) -> anyhow::Result<(Differences, Vec<Step>)> {
    let is_new = matches!(kind, Kind::New { .. } | Kind::NewMember);
    let name = if is_new {
        NOTED_NEW.to_owned()
    } else {
        site::name(NOTED_USER)
    };
    let log = Log::start(site).await?;
    // One connection, because the server logs the first calls on each without their values.
    let url = site.server.url(&site.database);
    // Moving a table's counter looks like a dump that is being restored.
    let settings = "max_connections = 1\nrestore_pause_seconds = 0";
    let sidecar = Sidecar::start_with(&url, settings).await?;
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
    let held = if is_new {
        format!(
            "INSERT INTO wp_fcom_sidecar_claims (kind, value, call_id) VALUES ('email', '{name}@bench.example', 'x')"
        )
    } else {
        let user = site::id(NOTED_USER);
        format!("SELECT ID FROM wp_users WHERE ID = {user} FOR UPDATE")
    };
    let held = hold(site, held).await?;
    tokio::try_join!(call(&name), keep_from_counting(site, kind, held))?;
    let to = log.mark().await?;
    drop(sidecar);
    let steps = log.finish(from, to, INSERT_RUN).await?;
    let query = "SELECT id, user_id, call_id FROM wp_fcom_sidecar_runs ORDER BY id DESC LIMIT 1";
    let (run_id, user_id, call_id) = sqlx::query_as(query).fetch_one(site.pool()).await?;
    let noted = Differences {
        name,
        call_id,
        user_id,
        run_ids: vec![run_id],
        count: 0,
    };
    // The daemon looks for uncounted runs and for the last rows of tables, and may open a connection; that is no part of
    // a call.
    let is_of_call = |step: &Step| {
        let others = ["SET ", "SELECT MAX("];
        !step.sql.contains("WHERE tallied = 0 AND id >")
            && !others.iter().any(|start| step.sql.starts_with(start))
    };
    let steps = steps.into_iter().filter(is_of_call);
    Ok((noted, steps.map(without_own_count).collect()))
}

/// A call that is alone counts its own run. Among many callers few do, so the recorded one must not: its webhook changes while
/// it waits for the user, or for the new one's address.
async fn keep_from_counting(
    site: &Site,
    kind: Kind,
    held: Transaction<'static, MySql>,
) -> anyhow::Result<()> {
    const WAITING: &str = "SELECT COUNT(*) FROM information_schema.processlist \
        WHERE (info LIKE '%FROM wp_users%FOR UPDATE%' OR info LIKE '%INSERT INTO wp_fcom_sidecar_claims%') \
            AND id <> CONNECTION_ID() AND command = 'Query'";
    while site.number(WAITING).await? == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let key = kind.key();
    site.execute(&format!(
        "UPDATE wp_fcom_meta SET value = REPLACE(value, '\"running_count\";i:', '\"running_count\";i:1') \
         WHERE meta_key = '{key}'"
    ))
    .await?;
    Ok(held.rollback().await?)
}

async fn hold(site: &Site, sql: String) -> anyhow::Result<Transaction<'static, MySql>> {
    let mut transaction = site.pool().begin().await?;
    let lock = sqlx::raw_sql(AssertSqlSafe(sql));
    lock.execute(&mut *transaction).await?;
    Ok(transaction)
}

/// The statements without the attempt of the call to count its own run.
fn without_own_count(mut step: Step) -> Step {
    if step.values.is_none() {
        let is_other = |sql: &&str| !sql.contains("CAST(m.value AS BINARY) = ");
        let others: Vec<&str> = step.sql.split(";\n").filter(is_other).collect();
        step.sql = others.join(";\n");
    }
    step
}

/// A pool with the daemon's default settings.
fn open_pool(site: &Site) -> anyhow::Result<Pool> {
    let url = site.server.url(&site.database);
    let config = Config::load(Sources {
        overrides: vec![("database.url".to_owned(), url)],
        ..Sources::default()
    })?;
    Ok(db::open(&config.database, Arc::new(db::Unobserved))?)
}

fn replaced(value: &Value, noted: &Differences, own: &Differences) -> Value {
    match value {
        Value::Number(text) if *text == noted.user_id.to_string() => {
            Value::Number(own.user_id.to_string())
        }
        Value::Text(text) => Value::Text(text.replace(&noted.name, &own.name)),
        other => other.clone(),
    }
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
    }
}

/// Counts runs as the daemon's tally does.
struct Tally {
    requests: Vec<Request>,
    noted: Differences,
    pool: Pool,
    counted: AtomicU64,
}

impl Tally {
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
                // Dropping the senders makes their callers see an error.
                Err(error) => {
                    eprintln!("a tally failed: {error:#}");
                    waiting.clear();
                }
            }
        }
    }

    async fn count(&self, run_ids: Vec<u64>) -> anyhow::Result<()> {
        let added = run_ids.len() as u64;
        let mut own = Differences {
            run_ids,
            count: self.counted.fetch_add(added, Ordering::Relaxed),
            ..Differences::default()
        };
        send_all(&self.pool, &self.requests, &self.noted, &mut own).await
    }
}
