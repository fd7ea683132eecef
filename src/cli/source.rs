//! `fcom-sidecar source try`: what each field of a sender's call becomes with a source, and what the call would do.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::block_on;
use super::database::callee;
use super::terminal::{answer, say};
use super::trial::show;
use crate::app;
use crate::config::Config;
use crate::http::trial::{self as tried, Body};
use crate::operations::trial::{Callee, MailText, Trial};
use crate::source::{Field, Source};

#[derive(Debug, Subcommand)]
pub(super) enum Sources {
    /// Tells what each field of a body becomes and why, then what the call would do; changes nothing and checks no signature
    Try(Try),
}

/// The call to try.
#[derive(Debug, Args)]
pub(super) struct Try {
    /// The source: NAME of its table [source.NAME]
    name: String,
    /// A file with the body as the sender sends it, or - for standard input
    #[arg(value_name = "FILE|-")]
    file: PathBuf,
    /// A header that comes with it; may be repeated
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("write it as name: value, e.g. X-Topic: order.created")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// What was found out.
#[derive(Serialize)]
struct Tried {
    fields: Vec<Found>,
    /// The name of the call, if the source has `idempotency`.
    name: Option<String>,
    trial: Trial,
}

/// What a field became.
#[derive(Serialize)]
struct Found {
    field: &'static str,
    /// Left out for a password.
    value: Option<String>,
    /// The path or template that was the first to be set; `None` if none was.
    from: Option<String>,
}

/// Exit status 0 if the call would be executed or ignored, else 1.
pub(super) fn run(command: &Sources, config: &Config) -> anyhow::Result<ExitCode> {
    let Sources::Try(command) = command;
    let mut sources = config.sources.iter();
    let source = sources.find(|source| source.name == command.name);
    let source = source.with_context(|| {
        let names: Vec<&str> = config.sources.iter().map(|one| one.name.as_str()).collect();
        format!(
            "there is no [source.{}]; there are: {}",
            command.name,
            names.join(", ")
        )
    })?;
    let body = body(&command.file, config.limits.max_body_bytes)?;
    let headers = command.header.iter().cloned().collect();
    let (mapped, form) = match tried::read(source, &body, headers, config.limits.max_fields)? {
        Body::Call(mapped, form) => (mapped, form),
        Body::Ping => {
            return Ok(ignored(
                "The call is the sender's test: answered with 200, and nothing is executed",
            ));
        }
        Body::Ignored => {
            let condition = source.only_if.as_ref().map_or("", |one| one.as_str());
            return Ok(ignored(&format!(
                "The call would be ignored, and answered with 200: this does not hold: {condition}"
            )));
        }
    };
    let fields = Field::ALL.map(|field| {
        let found = mapped.fields.iter().find(|(one, ..)| *one == field);
        Found {
            field: field.name(),
            value: found
                .filter(|_| field != Field::UserPassword)
                .map(|(_, value, _)| value.clone()),
            from: found.map(|(.., from)| from.clone()),
        }
    });
    let name = mapped.name.clone();
    let mail = MailText::new(config)?;
    let trial = block_on(async {
        let Callee { site, key, .. } = callee(config, &source.webhook_id.to_string()).await?;
        let call = tried::call(key, Some(source), form, site.clock.now());
        let (calls, _) = app::calls_of_command(config, &site);
        anyhow::Ok(Trial::of(&calls, call, tried::answer, &mail).await?)
    })?;
    let is_executed = trial.status == 200;
    let tried = Tried {
        fields: fields.into(),
        name,
        trial,
    };
    answer(command.json, &tried, |tried| lines(source, tried))?;
    Ok(if is_executed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn ignored(line: &str) -> ExitCode {
    say(line);
    ExitCode::SUCCESS
}

fn lines(source: &Source, tried: &Tried) -> Vec<String> {
    let mut lines: Vec<String> = tried.fields.iter().map(line).collect();
    if source.idempotency.is_some() {
        let name = tried
            .name
            .as_deref()
            .unwrap_or("not there: the call would have no name");
        lines.push(format!("{:<14} {name}", "idempotency"));
    }
    lines.push(String::new());
    lines.extend(show::lines(&tried.trial));
    lines
}

fn line(found: &Found) -> String {
    match (&found.value, &found.from) {
        (Some(value), Some(from)) => format!("{:<14} {value}   (from {from})", found.field),
        (None, Some(from)) => format!("{:<14} …   (from {from})", found.field),
        (_, None) => format!("{:<14} not set", found.field),
    }
}

fn body(file: &Path, longest: usize) -> anyhow::Result<Vec<u8>> {
    let read: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let opened = File::open(file);
        Box::new(opened.with_context(|| format!("cannot open {}", file.display()))?)
    };
    let mut body = Vec::new();
    read.take(longest as u64 + 1)
        .read_to_end(&mut body)
        .context("cannot read the body")?;
    if body.len() > longest {
        bail!("the body is longer than limits.max_body_bytes, {longest} bytes");
    }
    Ok(body)
}
