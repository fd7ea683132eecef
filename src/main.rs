//! The command line program: see `fcom-sidecar --help`.

use std::process::ExitCode;

use clap::Parser;
use fcom_sidecar::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run(std::env::vars().collect())
}
