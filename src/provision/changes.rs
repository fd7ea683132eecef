//! What a run has changed, for its record.

use serde::Serialize;

use super::plan::Plan;

/// The changes of a run, as JSON in the `changes` column of its record.
#[derive(Clone, Debug, Serialize)]
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
    pub(super) fn of(plan: &Plan<'_>) -> Self {
        let ids = |left: bool| {
            let changes = plan.memberships.changes.iter();
            let changes = changes.filter(|change| change.kind.is_left() == left);
            changes.map(|change| change.space_id).collect()
        };
        Self {
            profile: plan.profile.is_some(),
            added_to_site: plan.joins_site(),
            welcome_mail: plan.sends_mail(),
            joined: ids(false),
            left: ids(true),
        }
    }
}
