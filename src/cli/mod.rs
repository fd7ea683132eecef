//! The command line: one file per subcommand.

mod check;
mod database;
#[cfg(feature = "demo")]
mod demo;
mod find;
mod import;
mod mail;
mod mend;
mod migrate;
mod outbox;
mod record;
mod refused;
mod relay;
mod retry;
mod runs;
mod runtime;
mod serve;
mod shadow;
mod source;
mod terminal;
mod trial;
mod webhook;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

use self::runtime::block_on;
use self::terminal::complain;
use crate::app;
use crate::config::{Config, ConfigError, Sources};

/// Used when no --config is given.
const DEFAULT_CONFIG: &str = "/etc/fcom-sidecar/config.toml";

/// The exit status for an invalid configuration (`EX_CONFIG`). A restart does not fix it, so the systemd unit does not
/// retry, and calls do not wait for it.
const BAD_CONFIGURATION: u8 = 78;

/// Executes FluentCommunity's incoming webhooks beside WordPress.
#[derive(Debug, Parser)]
#[command(name = "fcom-sidecar", version, about, max_term_width = 100)]
pub struct Cli {
    /// Configuration file [default: /etc/fcom-sidecar/config.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sets one option, over the file and the environment; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
    /// Format of the log, as log.format
    #[arg(long, global = true, value_name = "FORMAT")]
    log: Option<LogFormat>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon
    Serve,
    /// Verifies every precondition of serve and names the remedy for what is wrong; changes nothing
    Check {
        /// Answers in JSON
        #[arg(long)]
        json: bool,
    },
    /// Creates or updates the sidecar's own tables
    Migrate,
    /// Shows and mends the promised welcome mails
    #[command(subcommand)]
    Outbox(outbox::Outbox),
    /// Shows and mends the hooks that WordPress is to fire
    #[command(subcommand)]
    Relay(relay::Relay),
    /// Shows, creates and changes webhooks
    #[command(subcommand)]
    Webhook(webhook::Webhook),
    /// Shows which calls were executed, when, for whom and what they changed
    #[command(subcommand)]
    Runs(runs::Runs),
    /// Shows which calls were refused, why, and the names of the fields that came; carries them out if their fields were kept
    #[command(subcommand)]
    Refused(refused::Refused),
    /// Tells what PHP did otherwise in shadow mode than the sidecar would have done
    #[command(subcommand)]
    Shadow(shadow::Shadow),
    /// Tells what became of a call: executed (exit status 0), refused (3), or none that reached the sidecar (4)
    Find {
        /// An e-mail address, a request id, a user's id or login, or a minute such as 2026-11-26T14:48 (UTC)
        #[arg(value_name = "WHO|REQUEST-ID|MINUTE")]
        sought: String,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Tells what a call would do: the answer, names, memberships, rows, mail and hooks; changes nothing
    Try(trial::Try),
    /// Carries out one call for each line of a list of members; started again, it goes on
    Import(import::Import),
    /// Tries what the calls of a sender become with a [source.NAME] table
    #[command(subcommand)]
    Source(source::Sources),
    /// Tries the mail server
    #[command(subcommand)]
    Mail(mail::Mail),
    /// Shows one webhook call on a private MariaDB with a sample site
    #[command(hide = cfg!(not(feature = "demo")))]
    Demo {
        /// Leaves the daemon running until Ctrl-C
        #[arg(long)]
        serve: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogFormat {
    Human,
    Json,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("write it as key=value, e.g. server.listen=127.0.0.1:8095")?;
    Ok((key.to_owned(), value.to_owned()))
}

impl Cli {
    /// Runs the command. `environment` is the process's environment, read once.
    pub fn run(self, environment: Vec<(String, String)>) -> ExitCode {
        self.dispatch(environment).unwrap_or_else(|error| {
            // One line per cause; `{:#}` would join them on one line.
            complain(&format!("fcom-sidecar: {error}"));
            for cause in error.chain().skip(1) {
                complain(&format!("  because: {cause}"));
            }
            if error.is::<ConfigError>() {
                return ExitCode::from(BAD_CONFIGURATION);
            }
            ExitCode::FAILURE
        })
    }

    fn dispatch(self, environment: Vec<(String, String)>) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Check { json } => {
                let sources = self.sources(environment);
                return check::run(app::load(sources.clone()), &sources, json);
            }
            // The demo uses nothing from this machine's configuration.
            #[cfg(feature = "demo")]
            Command::Demo { serve } => return demo::run(serve),
            #[cfg(not(feature = "demo"))]
            Command::Demo { .. } => anyhow::bail!(
                "this binary is built without the demo: `make demo` in its source builds one and runs it"
            ),
            Command::Find { ref sought, json } => {
                return find::run(sought, json, &self.config(environment)?);
            }
            Command::Import(ref command) => {
                return import::run(command, &self.config(environment)?);
            }
            Command::Try(ref command) => return trial::run(command, &self.config(environment)?),
            Command::Source(ref command) => {
                return source::run(command, &self.config(environment)?);
            }
            Command::Mail(ref command) => return mail::run(command, &self.config(environment)?),
            Command::Outbox(ref command) => outbox::run(command, &self.config(environment)?)?,
            Command::Runs(ref command) => runs::run(command, &self.config(environment)?)?,
            Command::Refused(ref command) => {
                return refused::run(command, &self.config(environment)?);
            }
            Command::Shadow(ref command) => shadow::run(command, &self.config(environment)?)?,
            Command::Relay(ref command) => relay::run(command, &self.config(environment)?)?,
            Command::Serve => {
                let names = environment
                    .iter()
                    .find(|(name, _)| name == "LISTEN_FDNAMES");
                let names = names.map(|(_, value)| value.clone());
                let sources = self.sources(environment);
                let config = app::load(sources.clone())?;
                return serve::run(&config, sources, names.as_deref());
            }
            Command::Webhook(ref command) => {
                webhook::run(command.clone(), &self.config(environment)?)?;
            }
            Command::Migrate => migrate::run(&self.config(environment)?)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn config(&self, environment: Vec<(String, String)>) -> anyhow::Result<Config> {
        Ok(app::load(self.sources(environment))?)
    }

    fn sources(&self, environment: Vec<(String, String)>) -> Sources {
        let default = || Some(PathBuf::from(DEFAULT_CONFIG)).filter(|path| Path::exists(path));
        let mut overrides = self.set.clone();
        if let Some(format) = self.log {
            let format = match format {
                LogFormat::Human => "human",
                LogFormat::Json => "json",
            };
            overrides.push(("log.format".to_owned(), format.to_owned()));
        }
        let file = self.config.clone().or_else(default);
        Sources {
            file,
            environment,
            overrides,
        }
    }
}
