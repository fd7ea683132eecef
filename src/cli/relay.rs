//! `fcom-sidecar relay`: the state of the hooks that WordPress has to fire.

use clap::Subcommand;

use super::database::with_database;
use super::mend;
use super::terminal::{answer, say};
use crate::config::Config;
use crate::db::{Connection, DatabaseError, Statements};
use crate::operations::Retried;
use crate::operations::hooks::{self, RelayStatus, TroubledEvent};

/// What to do with the hooks that wait for WordPress.
#[derive(Debug, Subcommand)]
pub(super) enum Relay {
    /// Shows how many hooks wait or were given up, and why
    Status {
        /// At most this many of those that failed, or are being fired
        #[arg(long, default_value_t = 20)]
        limit: u32,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes a hook that was not fired due at once, with all its attempts before it
    Retry(mend::Retry),
    /// Deletes an event, or all that were given up: their hooks are never fired
    Drop(mend::DropSome),
}

#[derive(serde::Serialize)]
struct Shown {
    enabled: bool,
    #[serde(flatten)]
    status: RelayStatus,
    /// What PHP processes have at the moment.
    firing: Vec<TroubledEvent>,
    troubled: Vec<TroubledEvent>,
}

pub(super) fn run(command: &Relay, config: &Config) -> anyhow::Result<()> {
    with_database(config, async |database| {
        let (connection, statements) = (&mut database.connection, &database.site.statements);
        match *command {
            Relay::Status { limit, json } => {
                let shown = Shown {
                    enabled: config.relay.enabled,
                    status: hooks::status(connection, statements).await?,
                    firing: hooks::firing(connection, statements, limit).await?,
                    troubled: hooks::troubled(connection, statements, limit).await?,
                };
                answer(json, &shown, card)
            }
            Relay::Retry(retry) => {
                let which = retry.which();
                let mut due = hooks::retry(connection, statements, which).await?;
                let mut batch = due;
                while which == Retried::AllDead && batch > 0 {
                    batch = hooks::retry(connection, statements, which).await?;
                    due += batch;
                }
                retry.tell("event", "done", due)
            }
            Relay::Drop(drop) => {
                let Some(drop) = drop.one() else {
                    let dropped = drop_dead(connection, statements).await?;
                    say(&format!("{dropped} events are dropped."));
                    return Ok(());
                };
                let is_dropped = hooks::remove(connection, statements, drop.id).await?;
                drop.tell("event", is_dropped)
            }
        }
    })
}

/// Returns how many there were.
async fn drop_dead(
    connection: &mut Connection,
    statements: &Statements,
) -> Result<u64, DatabaseError> {
    let mut dropped = 0;
    loop {
        match hooks::remove_dead(connection, statements).await? {
            0 => return Ok(dropped),
            events => dropped += events,
        }
    }
}

fn card(shown: &Shown) -> Vec<String> {
    let status = &shown.status;
    let mut lines = vec![
        format!("relay:        {}", if shown.enabled { "on" } else { "off" }),
        format!("pending:      {}", status.pending),
        format!("oldest:       {} s", status.oldest_pending_seconds),
        format!("dead:         {}", status.dead),
        format!("interrupted:  {}", status.interrupted),
    ];
    lines.push(match &status.last {
        Some(last) => format!(
            "last fired:   {} at {} UTC, {} ms after the call (event {})",
            last.kind, last.finished_at, last.delay_ms, last.id
        ),
        None => "last fired:   none that is remembered".to_owned(),
    });
    lines.extend(shown.firing.iter().map(|event| {
        let TroubledEvent {
            id,
            kind,
            user_id,
            attempts,
            ..
        } = event;
        format!("being fired:  {kind} of user {user_id}, attempt {attempts} (event {id})")
    }));
    if !shown.troubled.is_empty() {
        lines.push(String::new());
        lines.push(format!(
            "{:>8}  {:<8} {:>8} {:>8}  {:<16} {:<24} {}",
            "event", "state", "attempts", "user", "kind", "due (UTC)", "last error"
        ));
    }
    lines.extend(shown.troubled.iter().map(|event| {
        let words = event.last_error.as_deref().unwrap_or_default();
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
    lines
}
