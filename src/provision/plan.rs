//! Decides what a call does before anything is written. Pure: everything that it needs is passed in.
//!
//! Some facts only become visible behind a lock, so it decides in stages, each from what is known by then:
//!
//! 1. [`admit`](super::admission::admit), nothing locked: refused, answered before, for a known user or for a new one.
//! 2. A new user's names ([`NameFields`](super::names::NameFields)): guessed, then claimed and decided again behind the
//!    claims. The row of the users table is inserted then, for its id.
//! 3. [`Plan::decide`], behind the locks: everything else, from the facts and the [`Member`].
//! 4. [`Plan::schedule_course_emails`], if a structured course is joined or left: the only decision that needs more
//!    reads because of an earlier one.
//!
//! [`Transaction::apply`](super::transaction::Transaction::apply) writes it.

use chrono::{DateTime, Utc};

use super::facts::Facts;
use super::member::{CreatedUser, Member};
use super::{Executed, WelcomeMail};
use crate::events::Event;
use crate::fluentcommunity::action_scheduler::{Job, Schedule};
use crate::fluentcommunity::course_emails::{self, Section};
use crate::fluentcommunity::memberships::{Change, ChangeKind, MembershipPlan};
use crate::fluentcommunity::xprofile::NewProfile;
use crate::wordpress::time::SiteZone;
use crate::wordpress::usermeta::MetaRows;

/// FluentCommunity 2.5.0 and later sends the welcome mail when this action fires.
const WELCOME_HOOK: &str = "fluent_community/send_new_user_notification";

/// Everything that one call does.
pub struct Plan<'a> {
    /// Row id in `fcom_meta`.
    pub webhook_id: u64,
    /// The member.
    pub user_id: u64,
    /// The row of the users table, which is already inserted; `None` for an existing user.
    pub created: Option<CreatedUser<'a>>,
    /// For a new user all rows; for a network's user those that make the user a member of the site.
    pub usermeta: MetaRows,
    /// The community profile, if it does not exist yet.
    pub profile: Option<NewProfile>,
    /// Spaces and courses that are joined and left, and why others are not.
    pub memberships: MembershipPlan,
    /// Whether user meta `_fcom_space_ids` is rewritten from the memberships as they are written, and which spaces it
    /// omits.
    pub space_ids_without: Option<Vec<u64>>,
    /// How the welcome mail is handled.
    pub welcome_mail: MailPlan,
    /// Structured courses that are joined or left; the daemon schedules their e-mails.
    pub structured_courses: Vec<u64>,
    /// Jobs for WordPress, in order.
    pub jobs: Vec<Job>,
    /// Hooks for WordPress to fire, in PHP's order; empty while the relay is off.
    pub events: Vec<Event<'a>>,
    /// The time of execution.
    pub executed_at: DateTime<Utc>,
}

/// How WordPress's welcome mail is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailPlan {
    /// It goes into our outbox.
    Outbox,
    /// WordPress sends it, triggered by a scheduled action.
    ScheduledAction,
    /// WordPress sends it, triggered by an event.
    Event,
    /// No mail is sent.
    None(NoMail),
}

/// Why there is no welcome mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMail {
    /// Only new users get one.
    KnownUser,
    /// The webhook turns it off.
    NotWanted,
    /// The operator turned it off.
    Off,
    /// WordPress would not send mail to the address in its stored form.
    Undeliverable,
}

/// The context in which a plan is decided, in addition to the member.
pub(super) struct Conditions<'a> {
    pub(super) facts: &'a Facts,
    pub(super) welcome_mail: WelcomeMail,
    pub(super) has_relay: bool,
    pub(super) now: DateTime<Utc>,
}

impl<'a> Plan<'a> {
    /// Decides everything except the e-mails of structured courses.
    pub(super) fn decide(conditions: &Conditions<'a>, member: Member<'a>) -> Self {
        let Conditions { facts, .. } = conditions;
        let Member {
            user_id,
            created,
            usermeta,
            profile,
            spaces,
        } = member;
        // With the relay on, Pro's own listener schedules their e-mails.
        let mut structured_courses = if conditions.has_relay {
            Vec::new()
        } else {
            course_emails::structured_courses(&spaces)
        };
        let memberships = MembershipPlan::decide(&facts.webhook, facts.course_module, spaces);
        let is_changed = |id: &u64| memberships.changes.iter().any(|one| one.space_id == *id);
        structured_courses.retain(is_changed);
        let welcome_mail = conditions.welcome_mail(created.as_ref());
        let mut plan = Self {
            webhook_id: facts.webhook.id,
            user_id,
            created,
            usermeta,
            profile,
            space_ids_without: memberships.joined_after_last_leave(),
            memberships,
            welcome_mail,
            structured_courses,
            jobs: Vec::new(),
            events: Vec::new(),
            executed_at: conditions.now,
        };
        if welcome_mail == MailPlan::ScheduledAction {
            plan.jobs.push(Job::Schedule {
                hook: WELCOME_HOOK,
                args: format!("[{user_id}]"),
                schedule: Schedule::Soon,
            });
        }
        if conditions.has_relay {
            plan.events = plan.hooks(facts.options.role());
        }
        plan
    }

    /// Inserts the jobs that Pro's listener would schedule or cancel before all other jobs.
    pub(super) fn schedule_course_emails(&mut self, sections: &[Section], zone: &SiteZone) {
        let (changes, now) = (&self.memberships.changes, self.executed_at);
        let jobs = course_emails::jobs(sections, self.user_id, changes, zone, now);
        self.jobs.splice(..0, jobs);
    }

    /// The hooks that PHP would have fired, in its order.
    pub(super) fn hooks(&self, role: &'a str) -> Vec<Event<'a>> {
        let mut events = if self.created.is_some() {
            Event::of_new_user(role, self.welcome_mail == MailPlan::Event)
        } else if self.joins_site() {
            Event::of_new_site_member(role)
        } else {
            Vec::new()
        };
        events.extend(self.memberships.changes.iter().map(hook));
        events
    }

    /// Whether a network's user who was not a member of its site becomes one.
    pub fn joins_site(&self) -> bool {
        self.created.is_none() && self.usermeta != MetaRows::default()
    }

    /// Whether a welcome mail is sent, by the daemon or by WordPress.
    pub fn sends_mail(&self) -> bool {
        !matches!(self.welcome_mail, MailPlan::None(_))
    }

    /// Whether more is written than the record of the run.
    pub(super) fn changes_something(&self) -> bool {
        let stays = self.created.is_none()
            && self.usermeta == MetaRows::default()
            && self.profile.is_none()
            && self.memberships.changes.is_empty()
            && self.space_ids_without.is_none()
            && !self.sends_mail()
            && self.structured_courses.is_empty()
            && self.jobs.is_empty()
            && self.events.is_empty();
        !stays
    }

    /// The answer to the caller once the plan is committed.
    pub(super) fn executed(&self) -> Executed {
        Executed {
            webhook_id: self.webhook_id,
            user_id: self.user_id,
            created: self.created.is_some(),
            executed_at: self.executed_at,
            replayed: false,
        }
    }
}

impl Conditions<'_> {
    fn welcome_mail(&self, created: Option<&CreatedUser<'_>>) -> MailPlan {
        let Some(user) = created else {
            return MailPlan::None(NoMail::KnownUser);
        };
        if !self.facts.webhook.welcome_email {
            return MailPlan::None(NoMail::NotWanted);
        }
        match self.welcome_mail {
            WelcomeMail::Off => MailPlan::None(NoMail::Off),
            _ if !user.receives_mail => MailPlan::None(NoMail::Undeliverable),
            WelcomeMail::Outbox => MailPlan::Outbox,
            WelcomeMail::WordPress if self.has_relay => MailPlan::Event,
            WelcomeMail::WordPress => MailPlan::ScheduledAction,
        }
    }
}

fn hook<'a>(change: &Change) -> Event<'a> {
    let (space_id, is_course) = (change.space_id, change.is_course);
    match change.kind {
        ChangeKind::Joined {
            ref role,
            reactivated,
            ..
        } => Event::Joined {
            space_id,
            is_course,
            is_student: role == "student",
            reactivated,
        },
        ChangeKind::Left { row } => Event::Left {
            space_id,
            is_course,
            membership: row,
        },
    }
}

#[cfg(test)]
mod tests;
