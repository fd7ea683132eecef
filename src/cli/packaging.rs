//! `fcom-sidecar packaging`: the manual pages and shell completions that the Debian package brings, made from the command
//! line's own definition. Hidden, because only those who build packages need it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct Packaging {
    /// Where the files go; it is created if it is not there
    folder: PathBuf,
}

/// `command` is the whole command line.
pub(super) fn run(packaging: &Packaging, command: Command) -> anyhow::Result<ExitCode> {
    let folder = &packaging.folder;
    write(folder, command).with_context(|| format!("could not write to {}", folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn write(folder: &Path, mut command: Command) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command.clone(), folder)?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, "fcom-sidecar", folder)?;
    }
    Ok(())
}
