//! Reads PHP configuration without running it: [`syntax`] parses a file, and [`evaluate`] follows its code as far as the
//! values are known. What only PHP could tell is unknown, with the reason, and never guessed.

mod blur;
mod builtins;
mod calls;
#[cfg(test)]
mod corpus;
mod dotenv;
mod environment;
mod escapes;
mod evaluate;
mod expressions;
mod files;
mod known;
mod libraries;
mod operators;
mod reader;
mod state;
mod statements;
mod syntax;
mod value;

pub(super) use evaluate::{Outcome, Surroundings, evaluate};
pub(super) use state::Definition;
pub(super) use value::{Cause, Place, Value};
