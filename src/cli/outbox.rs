//! `fcom-sidecar outbox`: the promised mails and their state.

use anyhow::Context;
use clap::{Subcommand, ValueEnum};

use super::database::with_database;
use super::mend;
use super::terminal::answer;
use crate::clock::Clock;
use crate::config::Config;
use crate::operations::instances::{self, Running};
use crate::operations::mails::{self, OutboxMail};

/// What to do with the outbox.
#[derive(Debug, Subcommand)]
pub(super) enum Outbox {
    /// Lists mails, the newest first
    List {
        /// Only those in this state
        #[arg(long)]
        state: Option<State>,
        /// At most this many
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows one mail with the mail server's last words
    Show {
        /// The mail's number
        id: u64,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Makes an unsent mail due at once, with all its attempts before it
    Retry(mend::Retry),
    /// Deletes a mail: it is never sent
    Drop(mend::Drop),
}

/// States of a mail.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum State {
    Pending,
    Sent,
    Skipped,
    Dead,
}

pub(super) fn run(command: &Outbox, config: &Config) -> anyhow::Result<()> {
    with_database(config, async |database| {
        let (connection, statements) = (&mut database.connection, &database.site.statements);
        match *command {
            Outbox::List { state, limit, json } => {
                let state = state.and_then(|state| state.to_possible_value());
                let state = state.as_ref().map(clap::builder::PossibleValue::get_name);
                let mut mails = mails::list(connection, statements, state, None, limit).await?;
                let running = instances::running(connection, statements).await?;
                for mail in &mut mails {
                    mail.waits_for(&running);
                }
                answer(json, &mails[..], |mails| table(mails, &running))
            }
            Outbox::Show { id, json } => {
                let mail = mails::show(connection, statements, id).await?;
                let mut mail = mail.with_context(|| no_mail(id))?;
                mail.waits_for(&instances::running(connection, statements).await?);
                answer(json, &mail, card)
            }
            Outbox::Retry(retry) => {
                let which = retry.which();
                let due = mails::retry(connection, statements, which, Clock.now()).await?;
                instances::ask_for_tries(connection, statements).await?;
                retry.tell("mail", "sent", due)
            }
            Outbox::Drop(drop) => {
                let is_dropped =
                    mails::remove(connection, statements, drop.id, Clock.now()).await?;
                drop.tell("mail", is_dropped)
            }
        }
    })
}

fn no_mail(id: u64) -> String {
    format!("there is no mail {id}: \"fcom-sidecar outbox list\" shows those there are")
}

fn login(mail: &OutboxMail) -> &str {
    mail.user_login.as_deref().unwrap_or("(deleted)")
}

fn table(mails: &[OutboxMail], running: &[Running]) -> Vec<String> {
    let mut lines = vec![format!(
        "{:>8}  {:<8} {:>8}  {:<20} {:<20} {}",
        "mail", "state", "attempts", "promised (UTC)", "next or finished", "user"
    )];
    lines.extend(mails.iter().map(|mail| {
        format!(
            "{:>8}  {:<8} {:>8}  {:<20} {:<20} {} {}",
            mail.id,
            mail.state,
            mail.attempts,
            mail.created_at.to_string(),
            mail.finished_at.unwrap_or(mail.next_attempt_at).to_string(),
            mail.user_id,
            login(mail),
        )
    }));
    let stuck = running.iter().filter_map(Running::stuck);
    lines.extend(stuck.map(|stuck| stuck.to_string()));
    lines
}

fn card(mail: &OutboxMail) -> Vec<String> {
    let mut lines = vec![
        format!("mail:      {}", mail.id),
        format!("user:      {} {}", mail.user_id, login(mail)),
        format!("webhook:   {}", mail.webhook_id),
        format!("state:     {}", mail.state),
        format!("attempts:  {}", mail.attempts),
        format!("promised:  {} UTC", mail.created_at),
    ];
    lines.push(match mail.finished_at {
        Some(at) => format!("finished:  {at} UTC"),
        None => format!("next try:  {} UTC", mail.next_attempt_at),
    });
    if let Some(words) = &mail.last_error {
        lines.push(format!("last error: {words}"));
    }
    lines
}
