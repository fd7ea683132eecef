//! `fcom-sidecar runs`: lists executed calls and their effects.

use anyhow::Context;
use clap::Subcommand;

use super::database::with_database;
use super::terminal::answer;
use crate::config::Config;
use crate::operations::runs::{self, LONGEST_PAGE, LoggedRun, RunPage, RunQuery};

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

pub(super) fn run(command: &Runs, config: &Config) -> anyhow::Result<()> {
    with_database(config, async |database| {
        let (connection, statements) = (&mut database.connection, &database.site.statements);
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
                let page = runs::list(connection, statements, &query).await?;
                answer(*json, &page, table)
            }
            Runs::Show { id, json } => {
                let run = runs::show(connection, statements, *id).await?;
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
    let title = run.webhook_title.as_deref().unwrap_or("(deleted)");
    format!("{} {title}", run.webhook_id)
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
    if let Some(before) = page.next_before {
        lines.push(format!("Older ones: --before {before}"));
    }
    lines
}

fn card(run: &LoggedRun) -> Vec<String> {
    let recorded =
        |text: &Option<String>| text.clone().unwrap_or_else(|| "not recorded".to_owned());
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
        format!("from:      {}", recorded(&run.client_address)),
        format!("request:   {}", recorded(&run.request_id)),
        format!("counted:   {}", if run.counted { "yes" } else { "not yet" }),
    ]
}
