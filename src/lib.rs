//! fcom-sidecar executes FluentCommunity's incoming webhooks beside WordPress: it reads and writes the site's own tables,
//! so that a burst of sign-ups costs milliseconds instead of a PHP boot each, and PHP cannot tell its users from its own.
//!
//! Data flows one way: bytes are parsed into a call, its facts are loaded, a plan is decided, written in one
//! transaction, and answered. Imports follow the same direction, as listed in the table in `ARCHITECTURE.md`.

pub mod app;
pub mod check;
pub mod cli;
pub mod clock;
pub mod config;
pub mod db;
pub mod events;
pub mod fluentcommunity;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod http;
#[cfg(test)]
mod imports;
pub mod lifecycle;
pub mod listen;
pub mod mail;
pub mod moved;
pub mod operations;
pub mod outcome;
pub mod provision;
pub mod rate;
pub mod reload;
pub mod roster;
#[cfg(feature = "demo")]
pub mod sample;
pub mod site;
pub mod source;
pub mod systemd;
pub mod telemetry;
pub mod wordpress;
