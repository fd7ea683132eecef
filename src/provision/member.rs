//! The member whom a call is about, as only the transaction can tell.

use super::names::{NameFields, Names};
use crate::fluentcommunity::memberships::Space;
use crate::fluentcommunity::xprofile::NewProfile;
use crate::wordpress::usermeta::MetaRows;

/// What is read behind the locks on a member's row or names, and what follows from it alone: all that the plan needs beside
/// the facts.
pub(super) struct Member<'a> {
    /// `ID` in the users table.
    pub(super) user_id: u64,
    /// `None` for a member who was there.
    pub(super) created: Option<CreatedUser<'a>>,
    /// Of a new user all of them; of a network's user those that make him a member of the site.
    pub(super) usermeta: MetaRows,
    /// `None`: there is one.
    pub(super) profile: Option<NewProfile>,
    /// The webhook's spaces and courses, with the member's rows in them.
    pub(super) spaces: Vec<Space>,
}

/// A new user's row, as far as it is no secret.
pub struct CreatedUser<'a> {
    /// What the call says about names.
    pub fields: NameFields<'a>,
    /// Those that are the user's now.
    pub names: Names,
    /// `user_email`.
    pub email: String,
    /// `display_name`.
    pub display_name: String,
    /// Whether the address can receive the welcome mail.
    pub receives_mail: bool,
}
