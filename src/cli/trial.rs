//! `fcom-sidecar try`: what a call would do on this site, without doing it.

pub(super) mod show;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use secrecy::{ExposeSecret, SecretSlice};

use super::block_on;
use super::database::callee;
use super::terminal::answer;
use crate::app;
use crate::config::Config;
use crate::http::fields::Fields;
use crate::http::trial as tried;
use crate::operations::trial::{Callee, MailText, Trial};

/// The longest password that is read, in bytes; WordPress knows none that is longer than half of this.
const LONGEST_FILE: u64 = 8192;

/// The call to try.
#[derive(Debug, Args)]
pub(super) struct Try {
    /// The webhook: its number or title
    #[arg(long, value_name = "ID|TITLE")]
    webhook: String,
    /// The member's address
    #[arg(long)]
    email: String,
    /// The first name
    #[arg(long)]
    first_name: Option<String>,
    /// The last name
    #[arg(long)]
    last_name: Option<String>,
    /// The login that is asked for
    #[arg(long)]
    user_login: Option<String>,
    /// A file with the password, or - for standard input; its last line break does not count
    #[arg(long, value_name = "FILE|-")]
    user_password_file: Option<PathBuf>,
    /// Prints the changed rows as SQL, with secrets masked
    #[arg(long, conflicts_with = "json")]
    as_sql: bool,
    /// Prints JSON
    #[arg(long)]
    json: bool,
}

/// Exit status 0 if the call would be answered with 200, else 1.
pub(super) fn run(command: &Try, config: &Config) -> anyhow::Result<ExitCode> {
    let fields = fields(command)?;
    let mail = MailText::new(config)?;
    let trial = block_on(async {
        let Callee { site, id, key } = callee(config, &command.webhook).await?;
        let call = tried::call(key, config.source_of(id), fields, site.clock.now());
        let (calls, _) = app::calls_of_command(config, &site);
        anyhow::Ok(Trial::of(&calls, call, tried::answer, &mail).await?)
    })?;
    if command.as_sql {
        answer(false, &trial, show::sql)?;
    } else {
        answer(command.json, &trial, show::lines)?;
    }
    Ok(if trial.status == 200 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn fields(command: &Try) -> anyhow::Result<Fields> {
    let password = command.user_password_file.as_deref().map(password);
    let password = password.transpose()?;
    let text = |text: &Option<String>| text.as_ref().map(|text| text.clone().into_bytes());
    Ok(tried::form([
        Some(command.email.clone().into_bytes()),
        text(&command.first_name),
        text(&command.last_name),
        text(&command.user_login),
        password.map(|password| password.expose_secret().to_vec()),
    ]))
}

fn password(file: &Path) -> anyhow::Result<SecretSlice<u8>> {
    let mut read: Box<dyn Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let opened = File::open(file);
        Box::new(opened.with_context(|| format!("cannot open {}", file.display()))?)
    };
    let mut password = Vec::new();
    read.by_ref()
        .take(LONGEST_FILE + 1)
        .read_to_end(&mut password)
        .context("cannot read the password")?;
    if password.len() as u64 > LONGEST_FILE {
        bail!("the password is longer than any that WordPress accepts");
    }
    if password.ends_with(b"\n") {
        password.pop();
        password.pop_if(|last| *last == b'\r');
    }
    Ok(password.into())
}
