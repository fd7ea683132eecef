//! `fcom-sidecar relay`: the state of the hooks that WordPress has to fire.

use clap::Subcommand;

use super::database::with_database;
use super::mend;
use super::terminal::answer;
use crate::config::Config;
use crate::operations::hooks::{self, RelayStatus, TroubledEvent};

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
struct Shown {
    enabled: bool,
    #[serde(flatten)]
    status: RelayStatus,
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
                    troubled: hooks::troubled(connection, statements, limit).await?,
                };
                answer(json, &shown, card)
            }
            Relay::Retry(retry) => {
                let due = hooks::retry(connection, statements, retry.which()).await?;
                retry.tell("event", "done", due)
            }
            Relay::Drop(drop) => {
                let is_dropped = hooks::remove(connection, statements, drop.id).await?;
                drop.tell("event", is_dropped)
            }
        }
    })
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
