//! The member that a call is for, as known only inside the transaction.

use super::names::{NameFields, Names};
use crate::fluentcommunity::memberships::Space;
use crate::fluentcommunity::xprofile::NewProfile;
use crate::wordpress::usermeta::MetaRows;

/// What is read behind the locks on a member's row or names, and what follows from that alone: everything that the plan
/// needs in addition to the facts.
pub(super) struct Member<'a> {
    /// `ID` in the users table.
    pub(super) user_id: u64,
    /// `None` for an existing member.
    pub(super) created: Option<CreatedUser<'a>>,
    /// All rows of a new user; for a network's user, those that make the user a member of the site.
    pub(super) usermeta: MetaRows,
    /// `None` if the profile already exists.
    pub(super) profile: Option<NewProfile>,
    /// The webhook's spaces and courses, with the member's rows in them.
    pub(super) spaces: Vec<Space>,
}

/// A new user's row, without the secrets.
pub struct CreatedUser<'a> {
    /// The names in the call.
    pub fields: NameFields<'a>,
    /// The names that the user got.
    pub names: Names,
    /// `user_email`.
    pub email: String,
    /// `display_name`.
    pub display_name: String,
    /// Whether the address can receive the welcome mail.
    pub receives_mail: bool,
}
