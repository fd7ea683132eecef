//! What a call would do, in terms of people, names and memberships.

use super::super::call::WebhookCall;
use super::super::executed::Executed;
use super::super::facts::Facts;
use super::super::member::CreatedUser;
use super::super::plan::{MailPlan, Plan};
use super::rows::Rows;
use super::sight::{Seen, Subject};
use crate::events::Event;
use crate::fluentcommunity::memberships::{Change, LeftOut};

/// Derived logins that end where `user_login` does, but for a counter.
const LONGEST_LOGIN: usize = 58;

/// What a call would do.
pub struct Rehearsal {
    /// The webhook's title.
    pub title: String,
    /// What would be answered.
    pub executed: Executed,
    /// The names of a new member; `None` for a known one.
    pub names: Option<NamesOfNew>,
    /// Memberships that change, in PHP's order.
    pub changes: Vec<Change>,
    /// Entries of the webhook's lists that have no effect.
    pub left_out: Vec<LeftOut>,
    /// The welcome mail.
    pub welcome_mail: MailPlan,
    /// Whether the mail's links use https although the site's address does not.
    pub https: bool,
    /// The hooks that PHP would fire, in its order.
    pub hooks: Vec<String>,
    /// The rows.
    pub rows: Rows,
    /// Whose rows were looked at.
    pub subject: Subject,
    /// The site's rows without the call.
    pub before: Vec<Seen>,
    /// The site's rows with the call, and the daemon's own.
    pub after: Vec<Seen>,
    /// What of the call PHP would take otherwise.
    pub oddities: Oddities,
}

/// What of a call PHP would take otherwise, on purpose.
#[derive(Clone, Copy, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each stands for one agreed difference from PHP"
)]
pub struct Oddities {
    /// Nothing is left of the login that was asked for, or it is too long.
    pub unusable_login: bool,
    /// The display name is cut.
    pub cut_display_name: bool,
    /// The derived login is as long as a login can be.
    pub longest_login: bool,
    /// Characters were left out that the tables cannot hold.
    pub basic_plane: bool,
    /// The key is one that was replaced.
    pub old_key: bool,
}

/// What there was with the call and without it.
pub(super) struct Looked {
    pub(super) subject: Subject,
    pub(super) before: Vec<Seen>,
    pub(super) after: Vec<Seen>,
}

/// The names of a new member.
pub struct NamesOfNew {
    /// `user_login`.
    pub login: Chosen,
    /// `user_nicename`.
    pub nicename: Chosen,
    /// `username` of the community profile.
    pub username: Chosen,
    /// `user_email`.
    pub email: String,
    /// `display_name`.
    pub display_name: String,
}

/// A name.
pub struct Chosen {
    /// The one that the member gets.
    pub name: String,
    /// The one that the member would get if all names were free; others have it.
    pub taken: Option<String>,
}

impl Rehearsal {
    pub(super) fn of(
        plan: &Plan<'_>,
        facts: &Facts,
        call: &WebhookCall,
        rows: Rows,
        looked: Looked,
    ) -> Self {
        let oddities = oddities(plan, call, &looked.before);
        let Looked {
            subject,
            before,
            after,
        } = looked;
        Self {
            title: String::from_utf8_lossy(&facts.webhook.title).into_owned(),
            executed: plan.executed(),
            names: plan.created.as_ref().map(|user| names(user, plan)),
            changes: plan.memberships.changes.clone(),
            left_out: plan.memberships.left_out.clone(),
            welcome_mail: plan.welcome_mail,
            https: call.https,
            hooks: plan
                .hooks(facts.options.role())
                .iter()
                .map(Event::hook)
                .collect(),
            rows,
            subject,
            before,
            after,
            oddities,
        }
    }
}

fn oddities(plan: &Plan<'_>, call: &WebhookCall, before: &[Seen]) -> Oddities {
    let webhook = before.iter().find(|seen| seen.name == "fcom_meta");
    let webhook = webhook.and_then(|seen| seen.rows.as_ref()?.first());
    let key = webhook.and_then(|row| row.get("meta_key")?.as_str());
    let user = plan.created.as_ref();
    Oddities {
        unusable_login: user.is_some_and(|user| user.fields.is_wished_login_unusable()),
        cut_display_name: user.is_some_and(|user| user.fields.is_full_name_cut()),
        longest_login: user.is_some_and(|user| user.names.login.len() >= LONGEST_LOGIN),
        basic_plane: call.basic_plane,
        old_key: key.is_some_and(|key| !call.key.matches(key.as_bytes())),
    }
}

fn names(user: &CreatedUser<'_>, plan: &Plan<'_>) -> NamesOfNew {
    let wished = user.fields.if_all_were_free();
    let chosen = |name: &str, wished: Option<&str>| Chosen {
        name: name.to_owned(),
        taken: wished
            .filter(|wished| !wished.eq_ignore_ascii_case(name))
            .map(ToOwned::to_owned),
    };
    let names = &user.names;
    let username = plan.profile.as_ref().map(|profile| &profile.username);
    let wished = wished.as_ref();
    NamesOfNew {
        login: chosen(&names.login, wished.map(|wished| &*wished.login)),
        nicename: chosen(&names.nicename, wished.map(|wished| &*wished.nicename)),
        username: chosen(
            username.map_or("", |name| name),
            wished.and_then(|wished| wished.username.as_deref()),
        ),
        email: user.email.clone(),
        display_name: user.display_name.clone(),
    }
}
