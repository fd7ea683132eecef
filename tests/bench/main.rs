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

mod delay;
mod hashes;
mod http;
mod lab;
mod load;
mod measure;
mod processes;
mod replay;
mod report;
mod scale;
mod sidecar;
mod site;
mod statements;
mod template;
mod wordpress;

use clap::Parser;

/// Measures calls a second, latency, processor time and memory.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// How long each row is measured each time.
    #[arg(long, default_value_t = 2.5)]
    seconds: f64,
    /// How often each row is measured; the table shows medians.
    #[arg(long, default_value_t = 3)]
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
    /// Measures password hashes instead.
    #[arg(long)]
    hashes: bool,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// Whether a row is to be measured.
    fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|start| row.starts_with(start))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if options.hashes {
        hashes::run(&options);
        Ok(())
    } else if options.scale {
        scale::run(&options).await
    } else {
        lab::run(&options).await
    }
}
