//! Operator commands on pending rows, for both mails and events: retry them or drop them.

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

#[derive(Clone, Copy, Debug, Args)]
pub(super) struct DropSome {
    /// Its number
    #[arg(required_unless_present = "all_dead")]
    id: Option<u64>,
    /// Every one that was given up
    #[arg(long, conflicts_with = "id")]
    all_dead: bool,
}

impl DropSome {
    /// The one that is meant; `None`: every one that was given up.
    pub(super) fn one(self) -> Option<Drop> {
        self.id.map(|id| Drop { id })
    }
}

impl Retry {
    /// Which rows are meant; the command line guarantees that one of the two is given.
    pub(super) fn which(self) -> Retried {
        self.id.map_or(Retried::AllDead, Retried::One)
    }

    /// Reports how many are `due` now; `thing` names their kind, `done` the state of those that need no retry.
    pub(super) fn tell(self, thing: &str, done: &str, due: u64) -> anyhow::Result<()> {
        if let Some(id) = self.id.filter(|_| due == 0) {
            bail!("{thing} {id} is {done}, on its way, or does not exist");
        }
        say(&format!("{due} {thing}s are due now."));
        Ok(())
    }
}

impl Drop {
    /// Reports whether it `is_dropped`; `thing` names its kind.
    pub(super) fn tell(self, thing: &str, is_dropped: bool) -> anyhow::Result<()> {
        let id = self.id;
        ensure!(is_dropped, "{thing} {id} is on its way, or does not exist");
        let (first, rest) = thing.split_at(1);
        say(&format!("{}{rest} {id} is dropped.", first.to_uppercase()));
        Ok(())
    }
}
