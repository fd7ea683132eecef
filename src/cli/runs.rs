//! `fcom-sidecar runs`: lists executed calls and their effects.

use anyhow::Context;
use clap::Subcommand;

use super::database::with_database;
use super::record::{self, Listed, recorded};
use super::terminal::answer;
use crate::config::Config;
use crate::operations::record::Record;
use crate::operations::runs::{ExecutedCalls, LoggedRun, RunPage, RunQuery};

/// What to show of the run log.
#[derive(Debug, Subcommand)]
pub(super) enum Runs {
    /// Lists executed calls, the newest first
    List {
        /// Only of this user: id, login or e-mail address
        #[arg(long)]
        user: Option<String>,
        #[command(flatten)]
        listed: Listed,
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

pub(super) fn run(command: &Runs, config: &Config) -> anyhow::Result<()> {
    with_database(config, async |database| {
        let (connection, statements) = (&mut database.connection, &database.site.statements);
        match command {
            Runs::List { user, listed } => {
                let query = RunQuery {
                    user: user.clone(),
                    part: listed.part(),
                };
                let page = ExecutedCalls::list(connection, statements, &query).await?;
                answer(listed.json, &page, table)
            }
            Runs::Show { id, json } => {
                let run = ExecutedCalls::show(connection, statements, *id).await?;
                let run = run.with_context(|| {
                    format!("there is no run {id}: runs are kept for runs.retention_days")
                })?;
                answer(*json, &run, card)
            }
        }
    })
}

pub(super) fn user(run: &LoggedRun) -> String {
    let login = run.user_login.as_deref().unwrap_or("(deleted)");
    format!("{} {login}", run.user_id)
}

pub(super) fn webhook(run: &LoggedRun) -> String {
    record::webhook(run.webhook_id, run.webhook_title.as_deref())
}

pub(super) fn changes(run: &LoggedRun) -> String {
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

fn table(page: &RunPage) -> Vec<String> {
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
    lines.extend(record::older(page.next_before));
    lines
}

fn card(run: &LoggedRun) -> Vec<String> {
    vec![
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
        format!("from:      {}", recorded(run.client_address.as_deref())),
        format!("request:   {}", recorded(run.request_id.as_deref())),
        format!("counted:   {}", if run.counted { "yes" } else { "not yet" }),
    ]
}
