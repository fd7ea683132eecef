//! `fcom-sidecar refused`: lists refused calls, with what they were refused for, and carries them out.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::database::with_database;
use super::record::{self, Listed, recorded};
use super::retry::{self, Retry};
use super::terminal::answer;
use crate::app;
use crate::config::Config;
use crate::operations::record::Record;
use crate::operations::refused::{LoggedRefusal, RefusedCalls, RefusedPage};

/// What to show of the record of refused calls.
#[derive(Debug, Subcommand)]
pub(super) enum Refused {
    /// Lists refused calls with a valid key, the newest first
    List {
        #[command(flatten)]
        listed: Listed,
    },
    /// Shows one refused call: why, and the names of the fields that came
    Show {
        /// Its number
        id: u64,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Carries refused calls out whose fields were kept, each once (exit status 0 if all are executed by now, else 1)
    Retry(Retry),
}

pub(super) fn run(command: &Refused, config: &Config) -> anyhow::Result<ExitCode> {
    if let Refused::Retry(retry) = command {
        return retry::run(retry, config);
    }
    with_database(config, async |database| {
        let (connection, statements) = (&mut database.connection, &database.site.statements);
        // Without its key nothing can be retried; "show" says why.
        let keeping = app::keeping_of_command(config);
        let key = keeping.as_ref().ok().and_then(Option::as_ref);
        let key = key.map(|keeping| keeping.key.id());
        match command {
            Refused::List { listed } => {
                let part = listed.part();
                let mut page = RefusedCalls::list(connection, statements, &part).await?;
                page.refused.iter_mut().for_each(|one| one.judge(key));
                answer(listed.json, &page, table)
            }
            Refused::Show { id, json } => {
                let refusal = RefusedCalls::show(connection, statements, *id).await?;
                let mut refusal = refusal.with_context(|| {
                    format!(
                        "there is no refused call {id}: they are kept for refused.retention_days"
                    )
                })?;
                refusal.judge(key);
                let unread = keeping.err().map(|error| format!("{error:#}"));
                answer(*json, &refusal, |refusal| card(refusal, unread.as_deref()))
            }
            Refused::Retry(_) => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Whether it can be carried out, for people. `unread`: why there is no key.
fn retriable(refusal: &LoggedRefusal, unread: Option<&str>) -> String {
    let id = refusal.id;
    match (refusal.run_id, unread) {
        (Some(run_id), _) => format!("retried as run {run_id}"),
        (None, _) if refusal.retried => "executed later; the record of its run is gone".to_owned(),
        (None, _) if refusal.retriable => format!("fcom-sidecar refused retry {id}"),
        (None, _) if refusal.key_id.is_none() => "not possible: its fields are not kept".to_owned(),
        (None, Some(why)) => format!("not possible: {why}"),
        (None, None) => {
            "not possible: its fields are encrypted with another key than the one in refused.key_file".to_owned()
        }
    }
}

pub(super) fn webhook(refusal: &LoggedRefusal) -> Option<String> {
    let title = refusal.webhook_title.as_deref();
    refusal.webhook_id.map(|id| record::webhook(id, title))
}

fn table(page: &RefusedPage) -> Vec<String> {
    let mut lines = vec![format!(
        "{:>10}  {:<19}  {:>6} {:<20} {:<24} {}",
        "call", "refused (UTC)", "status", "outcome", "webhook", "fields"
    )];
    lines.extend(page.refused.iter().map(|refusal| {
        let fields = if refusal.is_summary() {
            format!(
                "{} requests, too many to be recorded one by one",
                refusal.calls
            )
        } else {
            short(refusal)
        };
        format!(
            "{:>10}  {:<19}  {:>6} {:<20} {:<24} {fields}",
            refusal.id,
            refusal.refused_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            refusal.status,
            refusal.outcome,
            webhook(refusal).unwrap_or_default(),
        )
    }));
    lines.extend(record::older(page.next_before));
    lines
}

fn short(refusal: &LoggedRefusal) -> String {
    let names = fields(refusal).unwrap_or_else(|| "(not read)".to_owned());
    let mut said = match refusal.email.as_deref() {
        None | Some("valid") => names,
        Some(email) => format!("{names}; e-mail {}", email.replace('_', " ")),
    };
    if let Some(run_id) = refusal.run_id {
        let _ = write!(said, "; retried as run {run_id}");
    } else if refusal.retriable {
        said.push_str("; can be retried");
    }
    said
}

/// The names, in quotation marks where a blank would make several of one.
fn fields(refusal: &LoggedRefusal) -> Option<String> {
    let quoted = |name: &String| {
        if name.contains(char::is_whitespace) {
            format!("\"{name}\"")
        } else {
            name.clone()
        }
    };
    let mut parts: Vec<String> = refusal.fields.as_ref()?.iter().map(quoted).collect();
    match refusal.more_fields {
        Some(more @ 1..) => parts.push(format!("and {more} more that are not shown")),
        _ if parts.is_empty() => parts.push("none".to_owned()),
        _ => {}
    }
    Some(parts.join(", "))
}

fn card(refusal: &LoggedRefusal, unread: Option<&str>) -> Vec<String> {
    let length = refusal.content_length;
    let length = length.map_or_else(String::new, |length| format!(", {length} bytes"));
    let body = refusal
        .content_type
        .as_deref()
        .unwrap_or("no type declared");
    let mut lines = vec![
        format!("call:      {}", refusal.id),
        format!(
            "refused:   {}",
            refusal.refused_at.format("%Y-%m-%d %H:%M:%S UTC")
        ),
        format!(
            "webhook:   {}",
            webhook(refusal).unwrap_or_else(|| "not known".to_owned())
        ),
        format!("outcome:   {} {}", refusal.status, refusal.outcome),
        format!("why:       {}", why(refusal)),
        format!("told:      {}", recorded(refusal.message.as_deref())),
        format!(
            "fields:    {}",
            fields(refusal).unwrap_or_else(|| "not read".to_owned())
        ),
        format!("body:      {body}{length}"),
        format!("from:      {}", recorded(refusal.client_address.as_deref())),
        format!("request:   {}", recorded(refusal.request_id.as_deref())),
        format!("retry:     {}", retriable(refusal, unread)),
    ];
    if refusal.calls > 1 {
        lines.push(format!("requests:  {}", refusal.calls));
    }
    lines
}

/// The reason, for people.
pub(super) fn why(refusal: &LoggedRefusal) -> String {
    if refusal.outcome != "invalid_email" {
        return reason(&refusal.outcome).to_owned();
    }
    let email = refusal.email.as_deref().and_then(email);
    let why = email.unwrap_or_else(|| reason(&refusal.outcome)).to_owned();
    let is_missing = refusal.email.as_deref() == Some("missing");
    let mut names = refusal.fields.iter().flatten().filter(|_| is_missing);
    match names.find(|name| name.to_lowercase().contains("mail")) {
        Some(name) => format!("{why}; a field {name} came, but is not read as it"),
        None => why,
    }
}

/// What came as address, for people; the words are those of the record.
fn email(sent: &str) -> Option<&'static str> {
    Some(match sent {
        "missing" => "there was no field email",
        "list" => "email was sent as a list, email[…]",
        "empty" => "the field email was empty",
        "padded" => "there were blanks or invisible characters around the e-mail address",
        "malformed" => "the field email held no address that WordPress accepts",
        "too_long" => "the e-mail address was longer than 100 characters",
        _ => return None,
    })
}

/// The words are those of the log and the metrics.
fn reason(outcome: &str) -> &'static str {
    match outcome {
        "address_not_allowed" => "the webhook's protection does not allow the caller's address",
        "busy" | "lock_conflict" | "raced" => "other work on the same rows took too long",
        "commit_unknown" => {
            "the database did not say whether it committed; the call may have been executed"
        }
        "database_unavailable" => "the database was away, full or not usable",
        "idempotency_conflict" => {
            "its Idempotency-Key or webhook-id was used for a call with other fields"
        }
        "ignored" => "the webhook's source says that there is nothing to do",
        "invalid_email" => "the e-mail address is missing, invalid or too long",
        "invalid_request" => "the body is malformed, or not form data",
        "no_free_name" => "every name that was tried is taken",
        "no_such_site" | "site_closed" => "WordPress does not serve this site of the network",
        "not_kept" => "these were too many to be recorded one by one",
        "not_ready" => "the sidecar was not ready; its log says what it waited for",
        "not_signed" => "the webhook requires a signature, and it was missing or wrong",
        "overloaded" => "there were more calls than there is room for",
        "rate_limited" => "the client or the webhook exceeded its limit",
        "shutting_down" => "the sidecar was shutting down",
        "too_large" => "the body was too large",
        "unknown_version" => "the WordPress version was unknown",
        "unreadable_webhook" => "the webhook's record is corrupt",
        "unstorable" => "a name is too long, or has characters that the site cannot store",
        "wrong_method" => "it was no POST request",
        _ => "the log says more",
    }
}
