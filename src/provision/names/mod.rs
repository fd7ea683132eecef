//! The names of a member: unique, and as WordPress and FluentCommunity would choose them.
//!
//! `fields` chooses a new user's names, `profile_username` the profile username of a user with an id, and `taken` keeps
//! the results of the look-ups.

mod fields;
mod profile_username;
mod taken;

pub use self::fields::{NameFields, Names};
pub(super) use self::profile_username::UsernameSource;
pub(super) use self::taken::Taken;
