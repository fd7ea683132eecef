//! `fcom-sidecar mail test`: sends one real message through the configured server and reports the result.

use std::process::ExitCode;

use clap::Subcommand;

use super::database::with_database;
use super::terminal::{complain, say};
use crate::config::Config;
use crate::operations::trial_mail::{self, TrialError};

/// What to do about mail.
#[derive(Debug, Subcommand)]
pub(super) enum Mail {
    /// Sends the welcome mail, with a link that leads nowhere, to an address
    Test {
        /// The address
        #[arg(long)]
        to: String,
    },
}

pub(super) fn run(command: &Mail, config: &Config) -> anyhow::Result<ExitCode> {
    let Mail::Test { to } = command;
    if config.smtp.url.is_none() {
        return Err(TrialError::NoServer.into());
    }
    with_database(config, async |database| {
        match trial_mail::send(config, &database.site, &mut database.connection, to).await {
            Ok(from) => {
                say(&format!(
                    "The server took the mail from {from} to {to}. Is it in the inbox?"
                ));
                Ok(ExitCode::SUCCESS)
            }
            Err(TrialError::Refused(failure)) => {
                complain(&format!("The mail did not leave: {}", failure.words));
                complain(&format!("Remedy: {}", trial_mail::remedy(&failure)));
                Ok(ExitCode::FAILURE)
            }
            Err(error) => Err(error.into()),
        }
    })
}
