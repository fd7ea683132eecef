//! The member whom a call is about, while the call is being written.

use crate::fluentcommunity::memberships::Target;

/// What is known of the member when memberships are decided.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is told apart in the run record"
)]
pub(super) struct Member {
    pub(super) user_id: u64,
    pub(super) created: bool,
    pub(super) profile_created: bool,
    /// A network's user, who was no member of its site.
    pub(super) added_to_site: bool,
    pub(super) welcome_mail: bool,
    /// The webhook's spaces and courses, with the member's rows in them.
    pub(super) targets: Vec<Target>,
}
