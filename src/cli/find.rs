//! `fcom-sidecar find`: what became of a call.

use std::process::ExitCode;

use super::database::with_database;
use super::refused;
use super::runs::{changes, user, webhook};
use super::terminal::answer;
use crate::app;
use crate::config::Config;
use crate::operations::find::{self, Found, Sought, Verdict};
use crate::operations::mails::OutboxMail;
use crate::operations::refused::LoggedRefusal;
use crate::operations::runs::LoggedRun;

/// The exit status if a call was refused and none was executed.
const REFUSED: u8 = 3;
/// The exit status if no such call is recorded.
const NOT_FOUND: u8 = 4;

pub(super) fn run(sought: &str, json: bool, config: &Config) -> anyhow::Result<ExitCode> {
    let days = (config.runs.retention_days, config.refused.retention_days);
    with_database(config, async |database| {
        let sought = Sought::parse(sought);
        let mut found = find::find(&mut database.connection, &database.site, &sought).await?;
        let keeping = app::keeping_of_command(config).ok().flatten();
        let key = keeping.map(|keeping| keeping.key.id());
        found.refused.iter_mut().for_each(|one| one.judge(key));
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
    lines.extend(found.refused.iter().map(refused_call));
    if found.not_kept > 0 {
        lines.push(format!(
            "not kept:  {} requests were refused around that time, too many to be recorded one by one",
            found.not_kept
        ));
    }
    if found.more {
        lines.push(format!(
            "more:      only the newest {} executed and refused calls are shown; a request id finds one call",
            find::MOST
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

fn refused_call(refusal: &LoggedRefusal) -> String {
    let webhook = refused::webhook(refusal);
    let webhook = webhook.map_or_else(String::new, |webhook| format!(" through webhook {webhook}"));
    format!(
        "refused:   {} UTC, {} {}{webhook}: {}{}",
        refusal.refused_at.format("%Y-%m-%d %H:%M:%S"),
        refusal.status,
        refusal.outcome,
        refused::why(refusal),
        request(refusal.request_id.as_deref()),
    )
}

fn request(id: Option<&str>) -> String {
    id.map_or_else(String::new, |id| format!("; request {id}"))
}

fn nothing(found: &Found, sought: &Sought, (run_days, refused_days): (u32, u32)) -> [String; 2] {
    let member = match (found.user_id, sought) {
        (Some(id), _) => format!(
            " User {id} exists: made by WordPress, or by a call that is no longer recorded."
        ),
        (None, Sought::Address(_)) => {
            " No user has this address. An executed call is found by its member: if that was deleted, or has another address by now, \
             look for the request id, the user's id or the minute."
                .to_owned()
        }
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
