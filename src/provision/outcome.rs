//! What a call did.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::member::Member;
use crate::fluentcommunity::memberships::{Change, ChangeKind};

/// An executed call: everything it did is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Row id in `fcom_meta`.
    pub webhook_id: u64,
    /// The member.
    pub user_id: u64,
    /// Whether the user is new.
    pub created: bool,
    /// When, to the second.
    pub executed_at: DateTime<Utc>,
    /// Whether this is the answer to an earlier call with the same `Idempotency-Key`.
    pub replayed: bool,
}

/// What a run changed, as JSON in the `changes` column of its record.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Changes {
    profile: bool,
    /// A network's user became a member of its site.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    added_to_site: bool,
    welcome_mail: bool,
    joined: Vec<u64>,
    left: Vec<u64>,
}

impl Changes {
    pub(super) fn new(member: &Member, memberships: &[Change]) -> Self {
        let ids = |left: bool| {
            let changed = memberships
                .iter()
                .filter(|c| (c.kind == ChangeKind::Left) == left);
            changed.map(|change| change.target_id).collect()
        };
        Self {
            profile: member.profile_created,
            added_to_site: member.added_to_site,
            welcome_mail: member.welcome_mail,
            joined: ids(false),
            left: ids(true),
        }
    }
}
