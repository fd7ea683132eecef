//! The names of a member: unique, and as WordPress and FluentCommunity would choose them.
//!
//! `fields` decides a new user's, `profile_username` the one of a profile whose user has an id, and `taken` knows what the
//! database was asked.

mod fields;
mod profile_username;
mod taken;

pub use self::fields::{NameFields, Names};
pub(super) use self::profile_username::UsernameSource;
pub(super) use self::taken::Taken;
