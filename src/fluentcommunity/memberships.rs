//! Decides which memberships (rows of `{prefix}fcom_space_user`) a webhook changes. Joining a space and enrolling in a
//! course follow the same rules. Mirrors `Helper::addToSpace` and `Helper::removeFromSpace`, core 2.8.1, as the webhook
//! calls them.

mod rows;

pub use self::rows::{ask_in, spaces};
use super::webhook::Webhook;

/// A space or course that the webhook names, with the user's rows in it. A course is a space of a different type.
#[derive(Clone, Debug)]
pub struct Space {
    /// Id in `fcom_spaces`.
    pub id: u64,
    /// True for type `course`; everything else that can be joined is a `community` space.
    pub is_course: bool,
    /// The course's serialised settings.
    pub settings: Option<Vec<u8>>,
    /// Lowest id first. PHP reads only the first row; a race in PHP can leave more than one.
    pub memberships: Vec<Membership>,
}

/// A row of `fcom_space_user`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// `None` for a row that the plan will insert.
    pub id: Option<u64>,
    /// `active`, `pending`, `blocked`, or any other stored value.
    pub status: Option<String>,
    /// Whether a query finds the row as active: the column's collation takes `ACTIVE` and `active ` for `active`.
    pub is_active: bool,
    /// `member`, `student`, `moderator`, `admin`, `instructor`, …
    pub role: Option<String>,
    /// Site-local literal.
    pub created_at: Option<String>,
}

impl Membership {
    /// `addToSpace` compares in PHP, byte for byte, and so resumes a row that says `ACTIVE`. Whether a user may leave, and
    /// what `_fcom_space_ids` lists, is asked in SQL.
    fn says_active(&self) -> bool {
        self.status.as_deref() == Some("active")
    }
}

/// A change to one membership, in the order in which PHP would have fired the hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Id in `fcom_spaces`.
    pub space_id: u64,
    /// Whether it is a course.
    pub is_course: bool,
    /// Joined or left.
    pub kind: ChangeKind,
}

/// See [`Change`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The user has become a member; `role` is the stored role, `since` the row's `created_at`, `None` for a new row.
    Joined {
        /// The stored role.
        role: String,
        /// Site-local literal.
        since: Option<String>,
        /// The row that was reactivated; `None` for a new one.
        reactivated: Option<u64>,
        /// Whether queries took the user for an active member all along: by a duplicate from a race in PHP, or by a row that
        /// says `ACTIVE`.
        twice: bool,
    },
    /// All rows are deleted.
    Left {
        /// The last of them; `None` if the call had not written it yet.
        row: Option<u64>,
    },
}

impl ChangeKind {
    /// Whether the user is no member any more.
    pub fn is_left(&self) -> bool {
        matches!(self, Self::Left { .. })
    }
}

/// The rows to write so that the tables end up as PHP would leave them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembershipPlan {
    /// Ids of rows to delete before anything else: all of the user's rows in what they leave.
    pub delete: Vec<u64>,
    /// Row id and role of rows to reactivate.
    pub reactivate: Vec<(u64, String)>,
    /// Space id and role of new rows, in order.
    pub insert: Vec<(u64, &'static str)>,
    /// All changes, in order.
    pub changes: Vec<Change>,
    /// Entries of the webhook's lists that had no effect, in order.
    pub left_out: Vec<LeftOut>,
}

/// An entry of the webhook's lists that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The id as stored in the webhook.
    pub space_id: u64,
    /// The purpose of the list.
    pub wish: Wish,
    /// Why the entry had no effect.
    pub reason: Reason,
}

/// The purpose of a webhook's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Joining.
    Join,
    /// Leaving.
    Leave,
}

/// Why an entry had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The user is an active member already.
    AlreadyActive,
    /// The user is not an active member.
    NotActive,
    /// The list contains courses, and the course module is off.
    CourseModuleOff,
    /// No space or course has this id.
    DoesNotExist,
}

impl MembershipPlan {
    /// Processes the webhook in PHP's order: courses to join, courses to leave (both only if the course module is on),
    /// spaces to join, spaces to leave. Like PHP, it does not check the lists against the types of their ids.
    pub fn decide(webhook: &Webhook, course_module: bool, spaces: Vec<Space>) -> Self {
        let mut state = State {
            spaces,
            plan: Self::default(),
        };
        for &id in &webhook.course_ids {
            if course_module {
                state.join(id, "student");
            } else {
                state.leave_out(id, Wish::Join, Reason::CourseModuleOff);
            }
        }
        for &id in &webhook.remove_course_ids {
            if course_module {
                state.leave(id);
            } else {
                state.leave_out(id, Wish::Leave, Reason::CourseModuleOff);
            }
        }
        for &id in &webhook.space_ids {
            state.join(id, "member");
        }
        for &id in &webhook.remove_space_ids {
            state.leave(id);
        }
        state.plan
    }

    /// Ids joined after the last leave. PHP rewrites `_fcom_space_ids` when a user leaves, so these ids are not in it
    /// yet. `None` when nothing was left.
    pub fn joined_after_last_leave(&self) -> Option<Vec<u64>> {
        let last = self
            .changes
            .iter()
            .rposition(|change| change.kind.is_left())?;
        let later = self.changes[last + 1..].iter();
        let new =
            later.filter(|change| matches!(change.kind, ChangeKind::Joined { twice: false, .. }));
        Some(new.map(|change| change.space_id).collect())
    }
}

/// The current memberships while the lists are processed.
struct State {
    spaces: Vec<Space>,
    plan: MembershipPlan,
}

impl State {
    fn join(&mut self, id: u64, role: &'static str) {
        let Some(space) = self.spaces.iter_mut().find(|space| space.id == id) else {
            return self.leave_out(id, Wish::Join, Reason::DoesNotExist);
        };
        // A member of a course is always a student; a student of a space stays one.
        let role = if space.is_course { "student" } else { role };
        let twice = space.memberships.iter().any(|row| row.is_active);
        let (role, since, reactivated) = match space.memberships.first_mut() {
            Some(row) if row.says_active() => {
                return self.leave_out(id, Wish::Join, Reason::AlreadyActive);
            }
            Some(row) => {
                let kept = row
                    .role
                    .take()
                    .filter(|old| old == "admin" || old == "moderator");
                let role = kept.unwrap_or_else(|| role.to_owned());
                row.status = Some("active".to_owned());
                row.is_active = true;
                row.role = Some(role.clone());
                if let Some(row_id) = row.id {
                    self.plan.reactivate.push((row_id, role.clone()));
                }
                (role, row.created_at.clone(), row.id)
            }
            None => {
                space.memberships.push(Membership {
                    id: None,
                    status: Some("active".to_owned()),
                    is_active: true,
                    role: Some(role.to_owned()),
                    created_at: None,
                });
                self.plan.insert.push((id, role));
                (role.to_owned(), None, None)
            }
        };
        let (space_id, is_course) = (id, space.is_course);
        let kind = ChangeKind::Joined {
            role,
            since,
            reactivated,
            twice,
        };
        self.plan.changes.push(Change {
            space_id,
            is_course,
            kind,
        });
    }

    fn leave(&mut self, id: u64) {
        let Some(space) = self.spaces.iter_mut().find(|space| space.id == id) else {
            return self.leave_out(id, Wish::Leave, Reason::DoesNotExist);
        };
        if !space.memberships.iter().any(|row| row.is_active) {
            return self.leave_out(id, Wish::Leave, Reason::NotActive);
        }
        let rows = std::mem::take(&mut space.memberships);
        self.plan
            .delete
            .extend(rows.iter().filter_map(|row| row.id));
        self.plan.insert.retain(|&(inserted, _)| inserted != id);
        self.plan
            .reactivate
            .retain(|&(row_id, _)| rows.iter().all(|row| row.id != Some(row_id)));
        self.plan.changes.push(Change {
            space_id: id,
            is_course: space.is_course,
            kind: ChangeKind::Left {
                row: rows.iter().filter_map(|row| row.id).max(),
            },
        });
    }

    fn leave_out(&mut self, space_id: u64, wish: Wish, reason: Reason) {
        self.plan.left_out.push(LeftOut {
            space_id,
            wish,
            reason,
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

    fn space(id: u64, is_course: bool, rows: &[(&str, &str)]) -> Space {
        let memberships = rows
            .iter()
            .zip(id * 10..)
            .map(|((status, role), row)| Membership {
                id: Some(row),
                status: Some((*status).to_owned()),
                is_active: *status == "active",
                role: Some((*role).to_owned()),
                created_at: Some("2026-01-01 00:00:00".to_owned()),
            });
        Space {
            id,
            is_course,
            settings: None,
            memberships: memberships.collect(),
        }
    }

    #[test]
    fn a_new_membership_takes_the_role_of_the_list_but_a_course_has_students_only() {
        let spaces = vec![
            space(1, false, &[]),
            space(5, true, &[]),
            space(7, true, &[]),
        ];
        let plan =
            MembershipPlan::decide(&webhook(&[1, 7, 999], &[], &[5, 1, 1], &[]), true, spaces);
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
            let spaces = vec![space(2, false, &[(status, role)])];
            let plan = MembershipPlan::decide(&webhook(&[], &[], &[2], &[]), true, spaces);
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
        let spaces = vec![
            space(1, false, &[("pending", "member"), ("active", "admin")]),
            space(2, false, &[("blocked", "member")]),
            space(3, false, &[]),
        ];
        let plan = MembershipPlan::decide(&webhook(&[], &[], &[], &[1, 2, 3, 1]), true, spaces);
        assert_eq!(plan.delete, [10, 11]);
        assert_eq!(plan.changes.len(), 1);
        assert_eq!(plan.joined_after_last_leave(), Some(vec![]));
    }

    #[test]
    fn joining_and_leaving_in_one_call_leaves_no_row_and_both_changes() {
        let plan = MembershipPlan::decide(
            &webhook(&[], &[], &[2], &[2]),
            true,
            vec![space(2, false, &[])],
        );
        assert_eq!(
            (plan.insert.len(), plan.delete.len(), plan.changes.len()),
            (0, 0, 2)
        );

        let pending = vec![space(2, false, &[("pending", "member")])];
        let plan = MembershipPlan::decide(&webhook(&[], &[], &[2], &[2]), true, pending);
        assert_eq!(
            (plan.reactivate.len(), plan.delete.as_slice()),
            (0, &[20][..])
        );

        let active = vec![space(5, true, &[("active", "student")])];
        let plan = MembershipPlan::decide(&webhook(&[], &[5], &[5], &[]), true, active);
        assert_eq!(
            (plan.delete.as_slice(), plan.insert.as_slice()),
            (&[50][..], &[(5, "student")][..])
        );
        assert_eq!(plan.joined_after_last_leave(), Some(vec![5]));
    }

    #[test]
    fn the_course_lists_are_dead_while_the_course_module_is_off() {
        let spaces = vec![
            space(5, true, &[]),
            space(6, true, &[("active", "student")]),
        ];
        let plan = MembershipPlan::decide(&webhook(&[5], &[6], &[], &[]), false, spaces.clone());
        let left_out = |space_id, wish| LeftOut {
            space_id,
            wish,
            reason: Reason::CourseModuleOff,
        };
        let expected = MembershipPlan {
            left_out: vec![left_out(5, Wish::Join), left_out(6, Wish::Leave)],
            ..MembershipPlan::default()
        };
        assert_eq!(plan, expected);
        let plan = MembershipPlan::decide(&webhook(&[], &[], &[5], &[6]), false, spaces);
        assert_eq!((plan.insert.len(), plan.delete.len()), (1, 1));
    }

    #[test]
    fn what_nothing_comes_of_is_said_with_its_reason() {
        let spaces = vec![
            space(1, false, &[("active", "member")]),
            space(2, false, &[("pending", "member")]),
        ];
        let plan = MembershipPlan::decide(&webhook(&[9], &[], &[1], &[2, 8]), true, spaces);
        let left_out: Vec<_> = plan
            .left_out
            .iter()
            .map(|out| (out.space_id, out.wish, out.reason))
            .collect();
        assert_eq!(
            left_out,
            [
                (9, Wish::Join, Reason::DoesNotExist),
                (1, Wish::Join, Reason::AlreadyActive),
                (2, Wish::Leave, Reason::NotActive),
                (8, Wish::Leave, Reason::DoesNotExist),
            ]
        );
        assert!(plan.changes.is_empty());
    }
}
