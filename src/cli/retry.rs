//! `fcom-sidecar refused retry`: carries refused calls out whose fields were kept.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;

use super::block_on;
use super::database::{ensure_fit, site_to_change};
use super::terminal::{answer, say};
use super::trial::show;
use crate::app;
use crate::config::Config;
use crate::db::Connection;
use crate::http::trial::answer as told;
use crate::operations::retry::{Retried, Retries, RetryError, retriable};
use crate::operations::trial::{MailText, Trial};
use crate::site::Site;
use crate::telemetry;

/// The status of what is executed, or has nothing to do.
const OK: u16 = 200;

/// Which refused calls to carry out.
#[derive(Debug, Args)]
pub(super) struct Retry {
    /// Their numbers
    #[arg(required_unless_present_any = ["all", "webhook", "outcome"], conflicts_with_all = ["all", "webhook", "outcome"])]
    ids: Vec<u64>,
    /// All that can be carried out, the oldest first
    #[arg(long)]
    all: bool,
    /// All of this webhook: id or title
    #[arg(long, value_name = "ID|TITLE")]
    webhook: Option<String>,
    /// All that were refused for this reason, in the word that "refused list" shows
    #[arg(long)]
    outcome: Option<String>,
    /// Only tells what each call would do, as "try" does
    #[arg(long)]
    dry_run: bool,
    /// Prints JSON: a list
    #[arg(long)]
    json: bool,
}

/// What came of one.
#[derive(Serialize)]
#[serde(untagged)]
enum End {
    Retried(Retried),
    Trial {
        id: u64,
        #[serde(flatten)]
        trial: Box<Trial>,
    },
    NotRetried {
        id: u64,
        problem: String,
    },
}

pub(super) fn run(command: &Retry, config: &Config) -> anyhow::Result<ExitCode> {
    let keeping = app::keeping_of_command(config)?;
    let mail = MailText::new(config)?;
    let ends = block_on(async {
        let (site, mut connection) = site_to_change(config).await?;
        let ids = command.ids(&mut connection, &site).await?;
        // The rest uses the pool: where connections are few, this one may be the last.
        connection.close().await?;
        ensure_fit(config, &site).await?;
        let (calls, tally) = app::calls_of_command(config, &Arc::new(site));
        let stop = CancellationToken::new();
        let counting = tokio::spawn(tally.run(stop.clone()));
        let retries = Retries::of_command(calls, keeping, config);
        let ends = command.carry_out(&retries, &ids, &mail).await;
        stop.cancel();
        counting.await?;
        ends
    })?;
    if command.json {
        answer(true, &ends, |_| Vec::new())?;
    } else if ends.is_empty() {
        say(
            "No refused call can be retried: either none is left, or refused.keep_fields_hours was 0 when they came.",
        );
    }
    let is_good = |end: &End| match end {
        // Also one that has nothing to do.
        End::Retried(retried) => retried.status == OK,
        End::Trial { trial, .. } => trial.status == OK,
        End::NotRetried { .. } => false,
    };
    Ok(if ends.iter().all(is_good) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Retry {
    /// The numbers of the calls, in order.
    async fn ids(&self, connection: &mut Connection, site: &Site) -> anyhow::Result<Vec<u64>> {
        if !self.ids.is_empty() {
            return Ok(self.ids.clone());
        }
        let (webhook, outcome) = (self.webhook.as_deref(), self.outcome.as_deref());
        retriable(connection, &site.statements, webhook, outcome).await
    }

    /// One after the other, in the order in which they came. Stops where the database is away.
    async fn carry_out(
        &self,
        retries: &Retries,
        ids: &[u64],
        mail: &MailText,
    ) -> anyhow::Result<Vec<End>> {
        let mut ends = Vec::new();
        for &id in ids {
            let end = if self.dry_run {
                let trial = retries.rehearse(id, told, mail).await;
                trial.map(|trial| End::Trial {
                    id,
                    trial: Box::new(trial),
                })
            } else {
                retries.retry(id, told).await.map(End::Retried)
            };
            let end = match end {
                Ok(end) => end,
                Err(RetryError::Database(error)) => {
                    return Err(error).with_context(|| {
                        format!("stopped at call {id}; those before it are done, and calls are executed once: start it again")
                    });
                }
                Err(error) => End::NotRetried {
                    id,
                    problem: telemetry::chain(&error),
                },
            };
            if !self.json {
                for line in lines(&end) {
                    say(&line);
                }
            }
            ends.push(end);
        }
        Ok(ends)
    }
}

fn lines(end: &End) -> Vec<String> {
    match end {
        End::Retried(retried) => vec![line(retried)],
        End::Trial { id, trial } => {
            let mut lines = vec![format!("Call {id}")];
            lines.extend(show::lines(trial));
            lines
        }
        End::NotRetried { id, problem } => vec![format!("call {id}: not retried: {problem}")],
    }
}

fn line(retried: &Retried) -> String {
    let Retried {
        id,
        status,
        message,
        outcome,
        ..
    } = retried;
    if !retried.is_executed() {
        return match *status {
            OK => format!("call {id}: nothing to do, it is {outcome}: {message}"),
            _ => format!("call {id}: refused again with {status} {outcome}: {message}"),
        };
    }
    let run = retried.run_id.map(|run| format!("run {run}"));
    let run = run.unwrap_or_else(|| "a run whose record is gone".to_owned());
    match retried.user_id {
        Some(user) if !retried.was_executed_before() => {
            let password = if retried.password_generated {
                "; its password was not kept, so the member has a generated one"
            } else {
                ""
            };
            format!("call {id}: {outcome} user {user} as {run}{password}")
        }
        _ => format!("call {id}: nothing to do: it was executed before, as {run}"),
    }
}
