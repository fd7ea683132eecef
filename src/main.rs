//! The command line program: see `fcom-sidecar --help`.

use std::process::ExitCode;

use clap::Parser;
use fcom_sidecar::cli::Cli;
use fcom_sidecar::config::Sources;

fn main() -> ExitCode {
    Cli::parse().run(Sources::environment_of(std::env::vars_os()))
}
