//! `fcom-sidecar runs`: which calls were executed, and what they did.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::database::{Database, with_database};
use super::terminal::{answer, printable};
use crate::config::Config;
use crate::provision::{self, LONGEST_PAGE, LoggedRun, RunPage, RunQuery};

/// What to show of the run log.
#[derive(Debug, Subcommand)]
pub(super) enum Runs {
    /// Lists executed calls, the newest first
    List {
        /// Only of this user: id, login or e-mail address
        #[arg(long)]
        user: Option<String>,
        /// Only of this webhook: id or title
        #[arg(long)]
        webhook: Option<String>,
        /// Only older than the run with this number
        #[arg(long)]
        before: Option<u64>,
        /// At most this many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=i64::from(LONGEST_PAGE)))]
        limit: u32,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows one executed call
    Show {
        /// The run's number
        id: u64,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) fn run(command: &Runs, config: &Config) -> anyhow::Result<ExitCode> {
    with_database(config, async |database| {
        carry_out(command, database).await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn carry_out(command: &Runs, database: &mut Database) -> anyhow::Result<()> {
    let (connection, statements) = (&mut database.connection, &database.statements);
    match command {
        Runs::List {
            user,
            webhook,
            before,
            limit,
            json,
        } => {
            let query = RunQuery {
                user: user.clone(),
                webhook: webhook.clone(),
                before: *before,
                limit: *limit,
            };
            let page = provision::list_runs(connection, statements, &query).await?;
            answer(*json, &page, table)
        }
        Runs::Show { id, json } => {
            let run = provision::show_run(connection, statements, *id).await?;
            let run = run.with_context(|| {
                format!("there is no run {id}: runs are kept for runs.retention_days")
            })?;
            answer(*json, &run, card)
        }
    }
}

fn user(run: &LoggedRun) -> String {
    let login = run.user_login.as_deref().unwrap_or("(deleted)");
    format!("{} {}", run.user_id, printable(login))
}

fn webhook(run: &LoggedRun) -> String {
    let title = run.webhook_title.as_deref().unwrap_or("(deleted)");
    format!("{} {}", run.webhook_id, printable(title))
}

fn changes(run: &LoggedRun) -> String {
    let ids = |name: &str| {
        let ids = run.changes[name].as_array().cloned().unwrap_or_default();
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        (!ids.is_empty()).then(|| format!("{name} {}", ids.join(", ")))
    };
    let yes = |name: &str, words: &str| {
        let is_true = run.changes[name].as_bool() == Some(true);
        is_true.then(|| words.to_owned())
    };
    let all = [
        yes("profile", "profile made"),
        ids("joined"),
        ids("left"),
        yes("welcome_mail", "mail promised"),
    ];
    let all: Vec<String> = all.into_iter().flatten().collect();
    if all.is_empty() {
        "nothing".to_owned()
    } else {
        all.join("; ")
    }
}

fn table(page: &RunPage) -> String {
    let mut lines = vec![format!(
        "{:>10}  {:<19}  {:<8} {:>8}  {:<24} {:<24} {}",
        "run", "executed (UTC)", "outcome", "ms", "user", "webhook", "changed"
    )];
    lines.extend(page.runs.iter().map(|run| {
        format!(
            "{:>10}  {:<19}  {:<8} {:>8}  {:<24} {:<24} {}",
            run.id,
            run.executed_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            run.outcome,
            run.duration_ms,
            user(run),
            webhook(run),
            changes(run),
        )
    }));
    if let Some(before) = page.next_before {
        lines.push(format!("Older ones: --before {before}"));
    }
    lines.join("\n")
}

fn card(run: &LoggedRun) -> String {
    let unknown = || "not recorded".to_owned();
    [
        format!("run:       {}", run.id),
        format!(
            "executed:  {}",
            run.executed_at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        format!("webhook:   {}", webhook(run)),
        format!("user:      {}", user(run)),
        format!("outcome:   {}", run.outcome),
        format!("changed:   {}", changes(run)),
        format!("took:      {} ms", run.duration_ms),
        format!(
            "from:      {}",
            run.client_address.clone().unwrap_or_else(unknown)
        ),
        format!(
            "request:   {}",
            run.request_id.clone().unwrap_or_else(unknown)
        ),
        format!("counted:   {}", if run.counted { "yes" } else { "not yet" }),
    ]
    .join("\n")
}
