//! What an operator does to things that wait in a table, mails and events: try them again, or drop them.

use anyhow::{bail, ensure};
use clap::Args;

use super::terminal::say;
use crate::operations::Retried;

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Retry {
    /// Its number
    #[arg(required_unless_present = "all_dead")]
    id: Option<u64>,
    /// Every one that was given up
    #[arg(long, conflicts_with = "id")]
    all_dead: bool,
}

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Drop {
    /// Its number
    pub(super) id: u64,
}

impl Retry {
    /// Which are meant; the command line has made sure that one of the two is said.
    pub(super) fn which(self) -> Retried {
        self.id.map_or(Retried::AllDead, Retried::One)
    }

    /// Says how many are `due` now; `thing` is what they are, `done` what those are that need no other try.
    pub(super) fn tell(self, thing: &str, done: &str, due: u64) -> anyhow::Result<()> {
        if let Some(id) = self.id.filter(|_| due == 0) {
            bail!("{thing} {id} is {done}, on its way, or does not exist");
        }
        say(&format!("{due} {thing}s are due now."));
        Ok(())
    }
}

impl Drop {
    /// Says whether it `is_dropped`; `thing` is what it was.
    pub(super) fn tell(self, thing: &str, is_dropped: bool) -> anyhow::Result<()> {
        let id = self.id;
        ensure!(is_dropped, "{thing} {id} is on its way, or does not exist");
        let (first, rest) = thing.split_at(1);
        say(&format!("{}{rest} {id} is dropped.", first.to_uppercase()));
        Ok(())
    }
}
