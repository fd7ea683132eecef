//! The console: who gets in, what pages show and do not show, and what forms change. Without a script, as a plain client sees it.

mod browser;
mod changes;
mod doors;
mod forms;
mod idle;
mod now;
mod pages;
mod signed;
pub(crate) mod strangers;
