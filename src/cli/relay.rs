//! `fcom-sidecar relay`: what WordPress has heard of, and what it has not.

use std::process::ExitCode;

use clap::Subcommand;

use super::{block_on, say};
use crate::app;
use crate::config::Config;
use crate::db::{Connection, Statements};
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
    Retry {
        /// The event's number
        #[arg(required_unless_present = "all_dead")]
        id: Option<u64>,
        /// Every one that was given up
        #[arg(long, conflicts_with = "id")]
        all_dead: bool,
    },
    /// Deletes an event: its hook is never fired
    Drop {
        /// The event's number
        id: u64,
    },
}

#[derive(serde::Serialize)]
struct Status {
    enabled: bool,
    #[serde(flatten)]
    standing: Standing,
    troubled: Vec<Troubled>,
}

pub(super) fn run(command: &Relay, config: &Config) -> anyhow::Result<ExitCode> {
    block_on(async {
        let statements = Statements::render(&app::tables(&config.wordpress)?);
        let mut connection = super::connect(config).await?;
        carry_out(command, config, &mut connection, &statements).await
    })
}

async fn carry_out(
    command: &Relay,
    config: &Config,
    connection: &mut Connection,
    statements: &Statements,
) -> anyhow::Result<ExitCode> {
    match *command {
        Relay::Status { limit, json } => {
            let status = Status {
                enabled: config.relay.enabled,
                standing: queue::standing(connection, statements).await?,
                troubled: queue::troubled(connection, statements, limit).await?,
            };
            say(&if json {
                serde_json::to_string_pretty(&status)?
            } else {
                card(&status)
            });
        }
        Relay::Retry { id, .. } => {
            let due = queue::retry(connection, statements, id).await?;
            if let Some(id) = id.filter(|_| due == 0) {
                anyhow::bail!("event {id} is done, on its way, or does not exist");
            }
            say(&format!("{due} events are due now."));
        }
        Relay::Drop { id } => {
            anyhow::ensure!(
                queue::drop_event(connection, statements, id).await?,
                "event {id} is on its way, or does not exist"
            );
            say(&format!("Event {id} is dropped."));
        }
    }
    Ok(ExitCode::SUCCESS)
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
        // Listeners' words must not steer the terminal.
        let words = event.last_error.as_deref().unwrap_or_default();
        let words = words.replace(char::is_control, " ");
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
