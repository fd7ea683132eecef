//! Passes hooks on to WordPress: a call writes one event per hook that PHP would have fired, in its own transaction and
//! in PHP's order; the must-use plugin in `deploy/mu-plugin` takes the events from the table and fires the hooks. The
//! table is the queue, so a lost wake-up loses nothing.

mod event;
mod poke;
pub mod queue;
pub mod signature;
mod wordpress;

pub use event::{Event, note_changed_user_in};
pub use poke::Poker;
pub use wordpress::{Installed, Listener, WordPress, WordPressError, plugin_digest};
