//! `fcom-sidecar relay`: what WordPress has heard of, and what it has not.

use std::process::ExitCode;

use clap::Subcommand;

use super::database::{Database, with_database};
use super::mend;
use super::terminal::{answer, printable};
use crate::config::Config;
use crate::events::queue::{self, Standing, Troubled};

/// What to do with the hooks that wait for WordPress.
#[derive(Debug, Subcommand)]
pub(super) enum Relay {
    /// Shows how many hooks wait or were given up, and why
    Status {
        /// At most this many of those that failed
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes a hook that was not fired due at once, with all its attempts before it
    Retry(mend::Retry),
    /// Deletes an event: its hook is never fired
    Drop(mend::Drop),
}

#[derive(serde::Serialize)]
struct Status {
    enabled: bool,
    #[serde(flatten)]
    standing: Standing,
    troubled: Vec<Troubled>,
}

pub(super) fn run(command: &Relay, config: &Config) -> anyhow::Result<ExitCode> {
    with_database(config, async |database| {
        carry_out(command, config, database).await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn carry_out(
    command: &Relay,
    config: &Config,
    database: &mut Database,
) -> anyhow::Result<()> {
    let (connection, statements) = (&mut database.connection, &database.statements);
    match *command {
        Relay::Status { limit, json } => {
            let status = Status {
                enabled: config.relay.enabled,
                standing: queue::standing(connection, statements).await?,
                troubled: queue::troubled(connection, statements, limit).await?,
            };
            answer(json, &status, card)
        }
        Relay::Retry(retry) => {
            let due = queue::retry(connection, statements, retry.id).await?;
            retry.tell("event", "done", due)
        }
        Relay::Drop(drop) => {
            let is_dropped = queue::drop_event(connection, statements, drop.id).await?;
            drop.tell("event", is_dropped)
        }
    }
}

fn card(status: &Status) -> String {
    let standing = &status.standing;
    let mut lines = vec![
        format!(
            "relay:        {}",
            if status.enabled { "on" } else { "off" }
        ),
        format!("pending:      {}", standing.pending),
        format!("oldest:       {} s", standing.oldest_pending_seconds),
        format!("dead:         {}", standing.dead),
        format!("interrupted:  {}", standing.interrupted),
    ];
    lines.push(match &standing.last {
        Some(last) => format!(
            "last fired:   {} at {} UTC, {} ms after the call (event {})",
            last.kind, last.finished_at, last.delay_ms, last.id
        ),
        None => "last fired:   none that is remembered".to_owned(),
    });
    if !status.troubled.is_empty() {
        lines.push(format!(
            "\n{:>8}  {:<8} {:>8} {:>8}  {:<16} {:<24} {}",
            "event", "state", "attempts", "user", "kind", "due (UTC)", "last error"
        ));
    }
    lines.extend(status.troubled.iter().map(|event| {
        let words = printable(event.last_error.as_deref().unwrap_or_default());
        format!(
            "{:>8}  {:<8} {:>8} {:>8}  {:<16} {:<24} {words}",
            event.id,
            event.state,
            event.attempts,
            event.user_id,
            event.kind,
            event.due_at.to_string(),
        )
    }));
    lines.join("\n")
}
