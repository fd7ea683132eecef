//! A private MariaDB or MySQL server: its own folder, port and account, sharing nothing with a server that the machine
//! may run.
//!
//! The demo and the integration tests load a sample site into it. It mirrors no PHP function. The server dies with its
//! owner, even if the owner is killed: a shell holds the reading end of a pipe, and when the writing end closes it
//! kills the server and deletes the folder.

mod error;
mod options;
mod processes;
mod programs;

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, MySqlConnection};
use tempfile::TempDir;

pub use self::error::ServerError;
use self::error::system;
pub use self::options::Options;
use self::processes::{install, last_lines, spawn_server, spawn_watchdog};
pub use self::programs::Family;
use self::programs::Programs;
use super::machine::{create_folder, free_port, random_text};

/// The account in [`PrivateServer::url`]. It has all privileges on this server.
const ACCOUNT: &str = "sidecar";

/// How long a server may take from its start to its first response.
const START_LIMIT: Duration = Duration::from_mins(1);

/// A running server. Dropping it kills the server and deletes its folder.
pub struct PrivateServer {
    options: Options,
    programs: Programs,
    port: u16,
    password: String,
    server: Mutex<Option<Child>>,
    watchdog: Mutex<Child>,
    folder: TempDir,
}

impl PrivateServer {
    /// Creates the folder and the system tables, starts the server, waits until it answers and creates the account.
    /// Takes about a second, with MySQL four.
    ///
    /// # Errors
    /// The programs are missing, or the server does not come up.
    pub async fn start(options: Options) -> Result<Self, ServerError> {
        let mut server = Self::prepare(options, random_text())?;
        let (command, path) = (server.programs.install(), server.folder.path().to_owned());
        tokio::task::spawn_blocking(move || install(command, &path))
            .await
            .map_err(|error| ServerError::Install(error.to_string()))??;
        // Another process may take the port between the choice and the start; the server then reports that and exits.
        while let Err(error) = server.launch().await {
            if !error.to_string().contains("Address already in use") {
                return Err(error);
            }
            server.port = free_port();
        }
        server.create_account().await?;
        server.introduce_account().await;
        Ok(server)
    }

    /// Another server with a copy of this one's data and the same account; start it with [`restart`](Self::restart).
    /// This one must not be running.
    ///
    /// # Errors
    /// The programs are missing, or the data cannot be copied.
    pub fn copy(&self, options: Options) -> Result<Self, ServerError> {
        let copy = Self::prepare(options, self.password.clone())?;
        let copied = Command::new("cp")
            .arg("-a")
            .args([self.data_folder(), copy.data_folder()])
            .status();
        let copied = copied.and_then(|status| {
            let failed = || io::Error::other(status.to_string());
            status.success().then_some(()).ok_or_else(failed)
        });
        copied.map_err(system("copy the server's data"))?;
        // MySQL's name for this one; the copy gives itself another. MariaDB has no such file.
        let _ = std::fs::remove_file(copy.data_folder().join("auto.cnf"));
        Ok(copy)
    }

    fn prepare(options: Options, password: String) -> Result<Self, ServerError> {
        let programs = Programs::find(options.root.as_deref())?;
        let folder = create_folder("fcom-sidecar-server-", options.folder.as_deref())
            .map_err(system("create the server's folder"))?;
        let watchdog = spawn_watchdog(folder.path())?;
        Ok(Self {
            options,
            programs,
            port: free_port(),
            password,
            server: Mutex::new(None),
            watchdog: Mutex::new(watchdog),
            folder,
        })
    }

    /// Which of the two servers it is.
    #[must_use]
    pub fn family(&self) -> Family {
        self.programs.family
    }

    /// `mysql://user:password@127.0.0.1:port/database`, for an account with all rights.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let (password, port) = (&self.password, self.port);
        format!("mysql://{ACCOUNT}:{password}@127.0.0.1:{port}/{database}")
    }

    /// The password in [`url`](Self::url): random, hexadecimal digits.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The port on 127.0.0.1. It stays the same over [`restart`](Self::restart).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's process, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        lock(&self.server).as_ref().map(Child::id)
    }

    /// The server's unix socket, on which `root` needs no password.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Options to connect as `root` through the socket, with a session that has the server's defaults: in particular
    /// the time zone is not set, so that TIMESTAMP columns read as the literals that PHP sees.
    #[must_use]
    pub fn connect_options(&self, database: Option<&str>) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .socket(self.socket())
            .username("root")
            .ssl_mode(MySqlSslMode::Disabled)
            .charset("utf8mb4")
            .timezone(None)
            .pipes_as_concat(false)
            .disable_statement_logging();
        match database {
            Some(database) => options.database(database),
            None => options,
        }
    }

    /// Creates an empty database with the character set and collation of a stock WordPress. The name consists of
    /// letters, digits and underscores.
    ///
    /// # Errors
    /// The server refuses, for example because the name exists.
    pub async fn create_database(&self, name: &str) -> Result<(), ServerError> {
        let sql = format!(
            "CREATE DATABASE `{name}` DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
        );
        self.execute(None, sql, "create the database").await
    }

    /// Executes a dump in `mysqldump`'s format. It is sent to the server in one piece, so it need not be split at
    /// semicolons, all of its comments are understood, and no client program is needed.
    ///
    /// # Errors
    /// The server refuses a statement; those before it have been executed.
    pub async fn load_sql(&self, database: &str, sql: &str) -> Result<(), ServerError> {
        // The settings from the head of a full dump.
        let session =
            "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, unique_checks = 0";
        self.execute(Some(database), format!("{session};\n{sql}"), "load the SQL")
            .await
    }

    /// Kills the server as `kill -9` does. Its folder stays.
    pub fn kill(&self) {
        let mut server = lock(&self.server);
        if let Some(mut server) = server.take() {
            // Fails only if the server has already exited.
            let _ = server.kill();
            let _ = server.wait();
            self.tell_watchdog("");
        }
    }

    /// Stops the server as a system shutdown does, and waits until it has written everything.
    pub fn stop(&self) {
        let mut server = lock(&self.server);
        if let Some(mut server) = server.take() {
            // The standard library supports SIGKILL only. It fails only if the server has already exited.
            let _ = Command::new("kill").arg(server.id().to_string()).status();
            let _ = server.wait();
            self.tell_watchdog("");
        }
    }

    /// Restarts the server on the same folder and port, killing it first if it runs, and waits until it answers.
    ///
    /// # Errors
    /// The server does not come up; the error holds the end of its log.
    pub async fn restart(&self) -> Result<(), ServerError> {
        self.launch().await?;
        self.introduce_account().await;
        Ok(())
    }

    async fn launch(&self) -> Result<(), ServerError> {
        self.kill();
        {
            let mut server = lock(&self.server);
            let server = server.insert(spawn_server(
                &self.programs,
                self.folder.path(),
                self.port,
                &self.options,
            )?);
            self.tell_watchdog(&server.id().to_string());
        }
        let deadline = Instant::now() + START_LIMIT;
        loop {
            match self.connect_options(None).connect().await {
                Ok(connection) => {
                    // Closing may fail; the server is up all the same.
                    let _ = connection.close().await;
                    return Ok(());
                }
                Err(_) if self.is_alive() && Instant::now() < deadline => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(_) => {
                    self.kill();
                    return Err(ServerError::Start(last_lines(&self.log_file())));
                }
            }
        }
    }

    async fn create_account(&self) -> Result<(), ServerError> {
        let confine_root = self.family().confine_root();
        let sql = format!(
            "{confine_root}CREATE USER '{ACCOUNT}'@'%' IDENTIFIED BY '{}'; GRANT ALL ON *.* TO '{ACCOUNT}'@'%'",
            self.password
        );
        self.execute(None, sql, "create the account").await
    }

    /// Logs in once with TLS: `MySQL` lets the account in without only after that, until the next restart.
    async fn introduce_account(&self) {
        if self.family() == Family::MySql {
            let options = MySqlConnectOptions::new()
                .host("127.0.0.1")
                .port(self.port)
                .username(ACCOUNT)
                .password(&self.password)
                .ssl_mode(MySqlSslMode::Required);
            // A server that offers no TLS, or no such account yet: those who need it find out.
            if let Ok(connection) = options.connect().await {
                let _ = connection.close().await;
            }
        }
    }

    async fn execute(
        &self,
        database: Option<&str>,
        sql: String,
        doing: &'static str,
    ) -> Result<(), ServerError> {
        let run = async {
            let mut connection: MySqlConnection = self.connect_options(database).connect().await?;
            // Safe to pass as SQL: fixtures and texts of this module, on a server that holds nothing else.
            sqlx::raw_sql(AssertSqlSafe(sql))
                .execute(&mut connection)
                .await?;
            connection.close().await
        };
        run.await
            .map_err(|source| ServerError::Database { doing, source })
    }

    fn is_alive(&self) -> bool {
        let mut server = lock(&self.server);
        server
            .as_mut()
            .is_some_and(|server| matches!(server.try_wait(), Ok(None)))
    }

    fn tell_watchdog(&self, server: &str) {
        if let Some(pipe) = lock(&self.watchdog).stdin.as_mut() {
            // Without a watchdog the server lacks a safeguard, which is no reason to fail.
            let _ = writeln!(pipe, "{server}");
        }
    }

    fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("error.log")
    }
}

impl fmt::Debug for PrivateServer {
    /// Leaves the password out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("PrivateServer")
            .field("port", &self.port)
            .field("folder", &self.folder.path())
            .finish_non_exhaustive()
    }
}

impl Drop for PrivateServer {
    fn drop(&mut self) {
        self.kill();
        let mut watchdog = lock(&self.watchdog);
        drop(watchdog.stdin.take());
        let _ = watchdog.wait();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
