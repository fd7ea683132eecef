//! `cargo run --example packaging -- FOLDER`: the manual pages and shell completions that the Debian package brings, made
//! from the command line's own definition.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use fcom_sidecar::cli::Cli;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.context("name the folder for the files")?;
    write(&folder).with_context(|| format!("could not write to {}", folder.display()))
}

fn write(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut command = Cli::command();
    clap_mangen::generate_to(command.clone(), folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "fcom-sidecar", folder)?;
    }
    Ok(())
}
