//! Measures the daemon's speed beside two baselines, the maximum that its database allows and WordPress: `make bench`.
//!
//! Everything runs on one machine: a private MariaDB with durable commits, the daemon's release binary with its default
//! configuration, php-fpm behind nginx, and this program, whose clients take their share of the processors, too. Rows
//! are measured in turns, so that a change in the machine's speed affects all of them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program that prints a table"
)]
#![expect(
    clippy::cast_precision_loss,
    reason = "the counts of a bench are far from the limits of a double"
)]

mod console;
mod delay;
mod extras;
mod goals;
mod hashes;
mod http;
mod import;
mod lab;
mod least;
mod lists;
mod load;
mod measure;
mod processes;
mod ratios;
mod reading;
mod relay;
mod replay;
mod report;
mod scale;
mod sidecar;
mod site;
mod statements;
mod template;
mod wordpress;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

/// What a complete measurement has at least.
const SECONDS: f64 = 2.5;
const REPEATS: usize = 5;

/// Measures calls a second, latency, processor time and memory.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Options {
    /// How long each row is measured each time.
    #[arg(long, default_value_t = SECONDS)]
    seconds: f64,
    /// How often each row is measured; the table shows medians.
    #[arg(long, default_value_t = REPEATS)]
    repeats: usize,
    /// How many callers there are at once.
    #[arg(long, value_delimiter = ',', default_value = "1,8,32,128")]
    connections: Vec<usize>,
    /// Only rows whose name begins with one of these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Users of the site before the first call.
    #[arg(long, default_value_t = 20_000)]
    users: u64,
    /// Measures sites of different sizes instead.
    #[arg(long)]
    scale: bool,
    /// Their sizes.
    #[arg(long, value_delimiter = ',', default_value = "1000,100000,1000000")]
    sizes: Vec<u64>,
    /// Imports long lists instead: one that is killed five times, and one of two million lines.
    #[arg(long)]
    lists: bool,
    /// Measures password hashes instead.
    #[arg(long)]
    hashes: bool,
    /// Where to write the ratios [default: tests/bench/ratios.toml if all is measured, as long and as often as by default;
    /// else target/ratios.toml]
    #[arg(long, value_name = "FILE")]
    ratios: Option<PathBuf>,
    /// Compares two files of ratios instead; the exit status is 1 if one of them got worse
    #[arg(long, num_args = 2, value_names = ["BASE", "NEW"])]
    compare: Option<Vec<PathBuf>>,
    /// How much worse a ratio may be: 0.1 is a tenth
    #[arg(long, default_value_t = 0.1)]
    tolerance: f64,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether a row is to be measured.
    fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|start| row.starts_with(start))
    }

    /// Only a complete measurement replaces the figures of the repository.
    fn ratios_file(&self) -> PathBuf {
        let is_complete =
            self.only.is_empty() && self.seconds >= SECONDS && self.repeats >= REPEATS;
        let usual = if is_complete {
            "tests/bench/ratios.toml"
        } else {
            "target/ratios.toml"
        };
        let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join(usual);
        self.ratios.clone().unwrap_or_else(usual)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if let Some([base, new]) = options.compare.as_deref() {
        let is_good = ratios::compare(base, new, options.tolerance)?;
        return Ok(ExitCode::from(u8::from(!is_good)));
    }
    if options.hashes {
        hashes::run(&options);
    } else if options.lists {
        lists::run(&options).await?;
    } else if options.scale {
        scale::run(&options).await?;
    } else {
        lab::run(&options).await?;
    }
    Ok(ExitCode::SUCCESS)
}
