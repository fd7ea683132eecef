//! `fcom-sidecar import`: carries out one call for each line of a list of members.

mod files;
mod report;

use std::mem::take;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::files::{ResultFile, beside, open};
use self::report::Progress;
use super::block_on;
use super::database::{callee, ensure_fit};
use super::terminal::{answer, say};
use crate::app;
use crate::config::{Config, Transport};
use crate::http::trial::{call, form};
use crate::operations::import::{CallOf, Import as Run, named, survey};
use crate::operations::trial::Callee;
use crate::roster::{Line, Lines, Mapping, recognise};

/// The list, and how to import it.
#[derive(Debug, Args)]
pub(super) struct Import {
    /// The file, or - for standard input: columns with a line of headings, or JSON lines
    file: PathBuf,
    /// The webhook whose call each line is: its number or title
    #[arg(long, value_name = "ID|TITLE")]
    webhook: String,
    /// The column of a field, where its heading is not recognised; nothing after = leaves the field out; may be repeated
    #[arg(long = "map", value_name = "FIELD=COLUMN")]
    mappings: Vec<Mapping>,
    /// Only reads the list and tells what would be done
    #[arg(long)]
    check: bool,
    /// New members get no welcome mail, whatever the webhook says
    #[arg(long)]
    no_mail: bool,
    /// Lines that are carried out at a time; one while others call
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Lines a second, at most
    #[arg(long)]
    rate: Option<NonZeroU32>,
    /// Carries out lines again that were carried out lately; the same word goes on with the same import
    #[arg(long, value_name = "WORD")]
    again: Option<String>,
    /// Where to write what became of each line [default: beside the file, as FILE.result.csv]
    #[arg(long, value_name = "FILE", required_if_eq("file", "-"))]
    result: Option<PathBuf>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// Exit status 0 if every line is carried out by now or stood there twice, else 1.
pub(super) fn run(command: &Import, config: &Config) -> anyhow::Result<ExitCode> {
    let mut config = config.clone();
    if command.no_mail {
        config.mail.transport = Transport::Off;
    }
    let mut file = open(&command.file)?;
    let recognised = recognise(&mut file, &command.mappings)
        .with_context(|| format!("{} cannot be imported", command.file.display()))?;
    if !command.json {
        say_all(&report::recognised(&recognised));
    }
    block_on(async {
        let Callee { site, id, key } = callee(&config, &command.webhook).await?;
        let clock = site.clock;
        let (again, source) = (command.again.clone(), config.source_of(id).cloned());
        let of_line: Arc<CallOf> = Arc::new(move |line: &Line| {
            let call = call(
                key.clone(),
                source.as_ref(),
                form(values(line)),
                clock.now(),
            );
            named(call, again.as_deref())
        });
        let mut survey = survey(&site, &mut file, &recognised, &*of_line).await?;
        if !command.json {
            say_all(&report::survey(&survey));
        }
        if command.check {
            if command.json {
                answer(true, &survey, |_| Vec::new())?;
            }
            return Ok(exit(survey.refused == 0));
        }
        ensure_fit(&config, &site).await?;
        let beside = || beside(&command.file);
        let result_file = command.result.clone().unwrap_or_else(beside);
        let mut results = ResultFile::create(&result_file, &file)?;
        let (calls, tally) = app::calls_of_command(&config, &site);
        let end = CancellationToken::new();
        let mut background = JoinSet::new();
        app::attend(&mut background, &config, &calls, tally, &end);
        let run = Run {
            calls,
            call: of_line,
            jobs: command.jobs.into(),
            rate: command.rate,
            stop: stop_at_a_signal(),
        };
        let mut progress = Progress::of(survey.lines, command.json);
        let (lines, addresses) = (Lines::of(file, &recognised), take(&mut survey.addresses));
        let done = run.run(lines, addresses, |ended, summary| {
            progress.tell(summary);
            results.add(ended)
        });
        let done = done.await;
        progress.end();
        results.end()?;
        end.cancel();
        while let Some(ended) = background.join_next().await {
            ended?;
        }
        let summary = done?;
        if command.json {
            let told = json!({ "survey": survey, "summary": summary, "result": result_file });
            answer(true, &told, |_| Vec::new())?;
        } else {
            say_all(&report::summary(&summary, &result_file));
        }
        Ok(exit(summary.complete && summary.refused == 0))
    })
}

fn say_all(lines: &[String]) {
    for line in lines {
        say(line);
    }
}

fn exit(is_good: bool) -> ExitCode {
    if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Cancelled by Ctrl-C and SIGTERM: the lines that were begun end, and no other one begins.
fn stop_at_a_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let at_signal = stop.clone();
    tokio::spawn(async move {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        at_signal.cancel();
    });
    stop
}

fn values(line: &Line) -> [Option<Vec<u8>>; 5] {
    line.values
        .clone()
        .map(|value| value.map(String::into_bytes))
}
