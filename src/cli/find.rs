//! `fcom-sidecar find`: what became of a call.

use std::process::ExitCode;

use super::database::with_database;
use super::runs::{changes, user, webhook};
use super::terminal::answer;
use crate::config::Config;
use crate::operations::find::{self, Found, LoggedRefusal, Sought, Verdict};
use crate::operations::mails::OutboxMail;
use crate::operations::runs::LoggedRun;

/// The exit status if a call was refused and none was executed.
const REFUSED: u8 = 3;
/// The exit status if no such call is recorded.
const NOT_FOUND: u8 = 4;

pub(super) fn run(sought: &str, json: bool, config: &Config) -> anyhow::Result<ExitCode> {
    let days = (config.runs.retention_days, config.refused.retention_days);
    with_database(config, async |database| {
        let sought = Sought::parse(sought);
        let found = find::find(&mut database.connection, &database.site, &sought).await?;
        answer(json, &found, |found| text(found, &sought, days))?;
        Ok(match found.verdict {
            Verdict::Executed => ExitCode::SUCCESS,
            Verdict::Refused => ExitCode::from(REFUSED),
            Verdict::NotFound => ExitCode::from(NOT_FOUND),
        })
    })
}

fn text(found: &Found, sought: &Sought, days: (u32, u32)) -> Vec<String> {
    let mut lines: Vec<String> = found.runs.iter().map(executed).collect();
    lines.extend(found.mails.iter().map(mail));
    lines.extend(found.refused.iter().map(refused));
    if found.not_kept > 0 {
        lines.push(format!(
            "not kept:  {} requests were refused around that time, too many to be recorded one by one",
            found.not_kept
        ));
    }
    if found.verdict == Verdict::NotFound {
        lines.splice(0..0, nothing(found, sought, days));
    }
    lines
}

fn executed(run: &LoggedRun) -> String {
    format!(
        "executed:  {} UTC, run {}: {} user {} through webhook {}; {}{}",
        run.executed_at.format("%Y-%m-%d %H:%M:%S"),
        run.id,
        run.outcome,
        user(run),
        webhook(run),
        changes(run),
        request(run.request_id.as_deref()),
    )
}

fn mail(mail: &OutboxMail) -> String {
    let time = mail.finished_at.unwrap_or(mail.next_attempt_at);
    let time = time.format("%Y-%m-%d %H:%M:%S");
    let state = match mail.state.as_str() {
        "pending" => format!("not sent yet, due at {time} UTC"),
        "dead" => format!("given up at {time} UTC"),
        state => format!("{state} at {time} UTC"),
    };
    format!(
        "mail:      {state}; \"fcom-sidecar outbox show {}\" tells more",
        mail.id
    )
}

fn refused(refusal: &LoggedRefusal) -> String {
    let webhook = refusal.webhook_id.map_or_else(String::new, |id| {
        let title = refusal.webhook_title.as_deref().unwrap_or("(deleted)");
        format!(" through webhook {id} {title}")
    });
    format!(
        "refused:   {} UTC, {} {}{webhook}: {}{}",
        refusal.refused_at.format("%Y-%m-%d %H:%M:%S"),
        refusal.status,
        refusal.outcome,
        why(&refusal.outcome),
        request(refusal.request_id.as_deref()),
    )
}

fn request(id: Option<&str>) -> String {
    id.map_or_else(String::new, |id| format!("; request {id}"))
}

/// The reason, for people; the words are those of the log and the metrics.
fn why(outcome: &str) -> &'static str {
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
        "invalid_email" => "the e-mail address is missing, invalid or too long",
        "invalid_request" => "the body is malformed, or not form data",
        "no_free_name" => "every name that was tried is taken",
        "no_such_site" | "site_closed" => "WordPress does not serve this site of the network",
        "not_ready" => "the sidecar was not ready; its log says what it waited for",
        "not_signed" => "the webhook requires a signature, and it was missing or wrong",
        "overloaded" => "there were more calls than there is room for",
        "rate_limited" => "the client or the webhook exceeded its limit",
        "shutting_down" => "the sidecar was shutting down",
        "too_large" => "the body was too large",
        "unknown_version" => "the WordPress version was unknown",
        "unreadable_webhook" => "the webhook's record is corrupt",
        "unstorable" => "a name is too long, or has characters that the site cannot store",
        _ => "the log says more",
    }
}

fn nothing(found: &Found, sought: &Sought, (run_days, refused_days): (u32, u32)) -> [String; 2] {
    let member = match (found.user_id, sought) {
        (Some(id), _) => format!(
            " User {id} exists: made by WordPress, or by a call that is no longer recorded."
        ),
        (None, Sought::Address(_)) => " No user has this address.".to_owned(),
        _ => String::new(),
    };
    let refused = if refused_days == 0 {
        "refused ones are not recorded".to_owned()
    } else {
        format!("refused ones for {refused_days} days")
    };
    let kept = format!(
        "Executed calls are recorded for {run_days} days, {refused}; what the web server passed to PHP is not. \
         \"fcom-sidecar check\" tries the way from outside."
    );
    [
        format!("No such call reached this sidecar, or its key was unknown.{member}"),
        kept,
    ]
}
