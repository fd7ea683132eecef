//! The event rows: one event per hook.

use crate::db::{Batch, Literal, Statements};
use crate::wordpress::php::loose;

/// Who added or removed the member, as FluentCommunity's hooks name it. Webhooks always pass this value.
const ORIGIN: &str = "by_admin";

/// An event for which PHP would have fired a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// `add_user_role`, which WordPress fires only if there is a role.
    RoleAdded(&'a str),
    /// `set_user_role`, also with an empty role.
    RoleSet(&'a str),
    /// `user_register`; the role is part of its user data.
    Registered(&'a str),
    /// `add_user_to_blog`, on a network.
    AddedToSite(&'a str),
    /// WordPress sends the welcome mail.
    WelcomeMail,
    /// `fluent_community/space/joined` or `fluent_community/course/enrolled`.
    Joined {
        /// Id in `fcom_spaces`.
        space_id: u64,
        /// Whether it is a course.
        is_course: bool,
        /// The role of a new row, `student` or `member`, for a hook that is fired when the row is gone.
        is_student: bool,
        /// The row in `fcom_space_user` that existed before; `None` for a new one, for which the hook has a fourth
        /// argument.
        reactivated: Option<u64>,
    },
    /// `fluent_community/space/user_left` or `fluent_community/course/student_left`.
    Left {
        /// Id in `fcom_spaces`.
        space_id: u64,
        /// Whether it is a course.
        is_course: bool,
        /// The row in `fcom_space_user` that the call deleted, for a hook that is still to tell of its beginning.
        membership: Option<u64>,
    },
}

impl Event<'_> {
    /// The hooks that WordPress fires for a new user, before anything happens in the community.
    pub fn of_new_user(role: &str, welcome_mail: bool) -> Vec<Event<'_>> {
        let mut events = Self::of_role(role);
        events.push(Event::Registered(role));
        if welcome_mail {
            events.push(Event::WelcomeMail);
        }
        events
    }

    /// The hooks that `add_user_to_blog` fires for a user of the network who was not yet a member of the site.
    pub fn of_new_site_member(role: &str) -> Vec<Event<'_>> {
        let mut events = Self::of_role(role);
        events.push(Event::AddedToSite(role));
        events
    }

    /// The hooks that `set_role` fires for a user without a role.
    fn of_role(role: &str) -> Vec<Event<'_>> {
        let added = (!loose::is_empty(role.as_bytes())).then_some(Event::RoleAdded(role));
        added.into_iter().chain([Event::RoleSet(role)]).collect()
    }

    /// The name that the plugin uses.
    fn kind(&self) -> &'static str {
        match self {
            Self::RoleAdded(_) => "add_user_role",
            Self::RoleSet(_) => "set_user_role",
            Self::Registered(_) => "user_register",
            Self::AddedToSite(_) => "add_user_to_blog",
            Self::WelcomeMail => "welcome_mail",
            Self::Joined { is_course, .. } if *is_course => "course_enrolled",
            Self::Joined { .. } => "space_joined",
            Self::Left { is_course, .. } if *is_course => "course_left",
            Self::Left { .. } => "space_left",
        }
    }

    /// The hook, with the space or course that it concerns.
    pub fn hook(&self) -> String {
        match *self {
            Self::WelcomeMail => "wp_new_user_notification".to_owned(),
            Self::Joined {
                space_id,
                is_course: true,
                ..
            } => format!("fluent_community/course/enrolled ({space_id})"),
            Self::Joined { space_id, .. } => format!("fluent_community/space/joined ({space_id})"),
            Self::Left {
                space_id,
                is_course: true,
                ..
            } => format!("fluent_community/course/student_left ({space_id})"),
            Self::Left { space_id, .. } => {
                format!("fluent_community/space/user_left ({space_id})")
            }
            _ => self.kind().to_owned(),
        }
    }

    /// Adds the statement that writes a user's `events`. It must follow the one that writes the call's run.
    pub fn insert_in(events: &[Self], batch: &mut Batch, statements: &Statements, user_id: u64) {
        if events.is_empty() {
            return;
        }
        let literals: Vec<Literal<'_>> = events
            .iter()
            .flat_map(|event| event.literals(user_id))
            .collect();
        batch.add(
            &statements.insert_event,
            "note what WordPress is to hear of",
            &literals,
        );
    }

    fn literals(&self, user_id: u64) -> [Literal<'_>; 7] {
        let number = |id: Option<u64>| id.map_or(Literal::Null, Literal::Number);
        let (space, membership, is_new) = match *self {
            Self::Joined {
                space_id,
                reactivated,
                ..
            } => (Some(space_id), reactivated, reactivated.is_none()),
            Self::Left {
                space_id,
                membership,
                ..
            } => (Some(space_id), membership, false),
            _ => (None, None, false),
        };
        let (role, origin) = match *self {
            Self::RoleAdded(role)
            | Self::RoleSet(role)
            | Self::Registered(role)
            | Self::AddedToSite(role) => (Literal::Text(role), Literal::Null),
            Self::WelcomeMail => (Literal::Null, Literal::Null),
            Self::Joined {
                is_student: true, ..
            } => (Literal::Text("student"), Literal::Text(ORIGIN)),
            Self::Joined { .. } => (Literal::Text("member"), Literal::Text(ORIGIN)),
            Self::Left { .. } => (Literal::Null, Literal::Text(ORIGIN)),
        };
        [
            user_id.into(),
            self.kind().into(),
            number(space),
            number(membership),
            u64::from(is_new).into(),
            role,
            origin,
        ]
    }
}

/// Adds the statement that makes WordPress drop its cached copies of a user whose row was changed outside of any call.
pub fn note_changed_user_in(batch: &mut Batch, statements: &Statements, user_id: u64) {
    batch.add(
        &statements.insert_cache_event,
        "note that a user has changed",
        &[user_id.into()],
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `WP_User::set_role` does.
    #[test]
    fn only_a_role_that_there_is_gets_added() {
        let kinds = |events: Vec<Event<'_>>| events.iter().map(Event::kind).collect::<Vec<_>>();
        assert_eq!(
            kinds(Event::of_new_site_member("editor")),
            ["add_user_role", "set_user_role", "add_user_to_blog"]
        );
        assert_eq!(
            kinds(Event::of_new_site_member("")),
            ["set_user_role", "add_user_to_blog"]
        );
        assert_eq!(
            kinds(Event::of_new_user("", true)),
            ["set_user_role", "user_register", "welcome_mail"]
        );
    }
}
