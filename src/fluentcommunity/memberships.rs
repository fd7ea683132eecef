//! Memberships: rows of `{prefix}fcom_space_user`. A space is joined and a course is enrolled in by the same rules.
//! Mirrors `Helper::addToSpace` and `Helper::removeFromSpace`, core 2.8.1, as the webhook calls them.

mod rows;

pub use self::rows::{ask_in, targets};
use super::webhook::Webhook;

/// A space or course that the webhook names, with the user's rows in it.
#[derive(Clone, Debug)]
pub struct Target {
    /// Id in `fcom_spaces`.
    pub id: u64,
    /// Type `course`; everything else that can be joined is a `community` space.
    pub is_course: bool,
    /// The course's serialised settings.
    pub settings: Option<Vec<u8>>,
    /// Lowest id first. PHP looks at the first only; there are more where it lost a race.
    pub memberships: Vec<Membership>,
}

/// A row of `fcom_space_user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// `None` for a row that the plan is about to insert.
    pub id: Option<u64>,
    /// `active`, `pending`, `blocked`, or whatever else is stored.
    pub status: Option<String>,
    /// `member`, `student`, `moderator`, `admin`, `instructor`, …
    pub role: Option<String>,
    /// Site-local literal.
    pub created_at: Option<String>,
}

impl Membership {
    fn is_active(&self) -> bool {
        self.status.as_deref() == Some("active")
    }
}

/// What happened to one membership, in the order in which PHP would have fired the hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Id in `fcom_spaces`.
    pub target_id: u64,
    /// Whether it is a course.
    pub is_course: bool,
    /// Joined or left.
    pub kind: ChangeKind,
}

/// See [`Change`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The user is a member now and was none before; `role` is what the row holds, `since` its `created_at`, `None` for
    /// a row that begins now.
    Joined {
        /// The stored role.
        role: String,
        /// Site-local literal.
        since: Option<String>,
        /// The row that became active again; `None` for a new one.
        reactivated: Option<u64>,
        /// Whether another row of the user, one that PHP made by losing a race, was active all the time.
        twice: bool,
    },
    /// All rows are gone.
    Left,
}

/// The rows to write, so that the tables end as PHP would leave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Ids of rows to delete, before anything else: all that the user has in what he leaves.
    pub delete: Vec<u64>,
    /// Row id and role of rows that become active again.
    pub reactivate: Vec<(u64, String)>,
    /// Target id and role of new rows, in order.
    pub insert: Vec<(u64, &'static str)>,
    /// Everything that happened, in order.
    pub changes: Vec<Change>,
}

impl Plan {
    /// Runs through the webhook in PHP's order: courses to join, courses to leave (both only while the course module is
    /// on), spaces to join, spaces to leave. The lists are not checked against the types of their ids, as in PHP.
    pub fn decide(webhook: &Webhook, course_module: bool, targets: Vec<Target>) -> Self {
        let mut state = State {
            targets,
            plan: Self::default(),
        };
        if course_module {
            webhook
                .course_ids
                .iter()
                .for_each(|&id| state.join(id, "student"));
            webhook
                .remove_course_ids
                .iter()
                .for_each(|&id| state.leave(id));
        }
        webhook
            .space_ids
            .iter()
            .for_each(|&id| state.join(id, "member"));
        webhook
            .remove_space_ids
            .iter()
            .for_each(|&id| state.leave(id));
        state.plan
    }

    /// Ids that were joined after the last leave: PHP rewrites `_fcom_space_ids` when a user leaves, so it does not know
    /// them yet. `None` when nothing was left.
    pub fn joined_after_last_leave(&self) -> Option<Vec<u64>> {
        let last = self
            .changes
            .iter()
            .rposition(|change| change.kind == ChangeKind::Left)?;
        let later = self.changes[last + 1..].iter();
        let new =
            later.filter(|change| matches!(change.kind, ChangeKind::Joined { twice: false, .. }));
        Some(new.map(|change| change.target_id).collect())
    }
}

/// The memberships as they stand while the lists are worked through.
struct State {
    targets: Vec<Target>,
    plan: Plan,
}

impl State {
    fn join(&mut self, id: u64, role: &'static str) {
        let Some(target) = self.targets.iter_mut().find(|target| target.id == id) else {
            return;
        };
        // A member of a course is a student; a student of a space stays one.
        let role = if target.is_course { "student" } else { role };
        let twice = target.memberships.iter().any(Membership::is_active);
        let (role, since, reactivated) = match target.memberships.first_mut() {
            Some(row) if row.is_active() => return,
            Some(row) => {
                let kept = row
                    .role
                    .take()
                    .filter(|old| old == "admin" || old == "moderator");
                let role = kept.unwrap_or_else(|| role.to_owned());
                row.status = Some("active".to_owned());
                row.role = Some(role.clone());
                if let Some(row_id) = row.id {
                    self.plan.reactivate.push((row_id, role.clone()));
                }
                (role, row.created_at.clone(), row.id)
            }
            None => {
                target.memberships.push(Membership {
                    id: None,
                    status: Some("active".to_owned()),
                    role: Some(role.to_owned()),
                    created_at: None,
                });
                self.plan.insert.push((id, role));
                (role.to_owned(), None, None)
            }
        };
        let (target_id, is_course) = (id, target.is_course);
        let kind = ChangeKind::Joined {
            role,
            since,
            reactivated,
            twice,
        };
        self.plan.changes.push(Change {
            target_id,
            is_course,
            kind,
        });
    }

    fn leave(&mut self, id: u64) {
        let Some(target) = self.targets.iter_mut().find(|target| target.id == id) else {
            return;
        };
        if !target.memberships.iter().any(Membership::is_active) {
            return;
        }
        let rows = std::mem::take(&mut target.memberships);
        self.plan
            .delete
            .extend(rows.iter().filter_map(|row| row.id));
        self.plan.insert.retain(|&(inserted, _)| inserted != id);
        self.plan
            .reactivate
            .retain(|&(row_id, _)| rows.iter().all(|row| row.id != Some(row_id)));
        self.plan.changes.push(Change {
            target_id: id,
            is_course: target.is_course,
            kind: ChangeKind::Left,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(courses: &[u64], leave_courses: &[u64], spaces: &[u64], leave: &[u64]) -> Webhook {
        Webhook {
            title: Vec::new(),
            id: 1,
            course_ids: courses.to_vec(),
            space_ids: spaces.to_vec(),
            remove_course_ids: leave_courses.to_vec(),
            remove_space_ids: leave.to_vec(),
            welcome_email: true,
        }
    }

    fn target(id: u64, is_course: bool, rows: &[(&str, &str)]) -> Target {
        let memberships = rows
            .iter()
            .zip(id * 10..)
            .map(|((status, role), row)| Membership {
                id: Some(row),
                status: Some((*status).to_owned()),
                role: Some((*role).to_owned()),
                created_at: Some("2026-01-01 00:00:00".to_owned()),
            });
        Target {
            id,
            is_course,
            settings: None,
            memberships: memberships.collect(),
        }
    }

    #[test]
    fn a_new_membership_takes_the_role_of_the_list_but_a_course_has_students_only() {
        let targets = vec![
            target(1, false, &[]),
            target(5, true, &[]),
            target(7, true, &[]),
        ];
        let plan = Plan::decide(&webhook(&[1, 7, 999], &[], &[5, 1, 1], &[]), true, targets);
        assert_eq!(
            plan.insert,
            [(1, "student"), (7, "student"), (5, "student")]
        );
        assert_eq!(plan.changes.len(), 3);
        assert_eq!(plan.joined_after_last_leave(), None);
    }

    #[test]
    fn an_inactive_row_becomes_active_and_keeps_only_the_roles_that_lead() {
        for (status, role, expected) in [
            ("pending", "member", Some("member")),
            ("blocked", "moderator", Some("moderator")),
            ("pending", "admin", Some("admin")),
            ("", "instructor", Some("member")),
            ("active", "instructor", None),
        ] {
            let targets = vec![target(2, false, &[(status, role)])];
            let plan = Plan::decide(&webhook(&[], &[], &[2], &[]), true, targets);
            let expected: Vec<_> = expected
                .map(|role| (20, role.to_owned()))
                .into_iter()
                .collect();
            assert_eq!(plan.reactivate, expected, "{status} {role}");
            assert!(plan.insert.is_empty());
        }
    }

    #[test]
    fn only_an_active_member_leaves_and_then_every_row_goes() {
        let targets = vec![
            target(1, false, &[("pending", "member"), ("active", "admin")]),
            target(2, false, &[("blocked", "member")]),
            target(3, false, &[]),
        ];
        let plan = Plan::decide(&webhook(&[], &[], &[], &[1, 2, 3, 1]), true, targets);
        assert_eq!(plan.delete, [10, 11]);
        assert_eq!(plan.changes.len(), 1);
        assert_eq!(plan.joined_after_last_leave(), Some(vec![]));
    }

    #[test]
    fn joining_and_leaving_in_one_call_leaves_no_row_and_both_changes() {
        let plan = Plan::decide(
            &webhook(&[], &[], &[2], &[2]),
            true,
            vec![target(2, false, &[])],
        );
        assert_eq!(
            (plan.insert.len(), plan.delete.len(), plan.changes.len()),
            (0, 0, 2)
        );

        let pending = vec![target(2, false, &[("pending", "member")])];
        let plan = Plan::decide(&webhook(&[], &[], &[2], &[2]), true, pending);
        assert_eq!(
            (plan.reactivate.len(), plan.delete.as_slice()),
            (0, &[20][..])
        );

        let active = vec![target(5, true, &[("active", "student")])];
        let plan = Plan::decide(&webhook(&[], &[5], &[5], &[]), true, active);
        assert_eq!(
            (plan.delete.as_slice(), plan.insert.as_slice()),
            (&[50][..], &[(5, "student")][..])
        );
        assert_eq!(plan.joined_after_last_leave(), Some(vec![5]));
    }

    #[test]
    fn the_course_lists_are_dead_while_the_course_module_is_off() {
        let targets = vec![
            target(5, true, &[]),
            target(6, true, &[("active", "student")]),
        ];
        let plan = Plan::decide(&webhook(&[5], &[6], &[], &[]), false, targets.clone());
        assert_eq!(plan, Plan::default());
        let plan = Plan::decide(&webhook(&[], &[], &[5], &[6]), false, targets);
        assert_eq!((plan.insert.len(), plan.delete.len()), (1, 1));
    }
}
