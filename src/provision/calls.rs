//! What the calls of this process share beside the site.

use std::sync::{Arc, PoisonError, RwLock};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::{NewUserLimits, Tally, TallyTask, WaitingRoom};
use crate::site::Site;
use crate::telemetry::Metrics;
use crate::wordpress::password;
use crate::wordpress::sanitize::Rules;
use crate::wordpress::version::Version;

/// What all calls share; one per process.
pub struct Calls {
    /// The site that they are carried out for.
    pub site: Arc<Site>,
    /// How new users are made.
    pub(super) new_users: NewUserPolicy,
    /// Locale and version of the last new user.
    pub(super) last_rules: LastRules,
    /// Where calls for the same user, or new users who want the same name, wait.
    pub(super) waiting_room: WaitingRoom,
    /// What calls that make new users may take at once.
    pub(super) new_user_limits: NewUserLimits,
    /// Counts runs.
    pub(super) tally: Tally,
    /// Wakes the workers after a commit.
    pub bells: Bells,
    /// Calls under way: the process does not end before them.
    pub tasks: TaskTracker,
    /// The main runtime: a web worker's own runtime dies with it.
    pub runtime: Handle,
    /// What is counted and measured.
    pub metrics: Arc<Metrics>,
}

impl Calls {
    /// With the task that counts them. To be called on the main runtime.
    pub fn new(
        site: Arc<Site>,
        new_users: NewUserPolicy,
        new_user_limits: NewUserLimits,
        bells: Bells,
        metrics: Arc<Metrics>,
    ) -> (Self, TallyTask) {
        // With the relay on, WordPress counts its users itself: its own listener to `user_register` does.
        let counts_users = bells.relay.is_none();
        let (tally, task) = Tally::new(Arc::clone(&site), Arc::clone(&metrics), counts_users);
        let calls = Self {
            site,
            new_users,
            last_rules: LastRules::default(),
            waiting_room: WaitingRoom::default(),
            new_user_limits,
            tally,
            bells,
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            metrics,
        };
        (calls, task)
    }
}

/// How new users are made, as configured.
#[derive(Clone, Copy, Debug)]
pub struct NewUserPolicy {
    /// The hash for supplied passwords.
    pub password_scheme: PasswordScheme,
    /// How welcome mails leave.
    pub welcome_mail: WelcomeMail,
}

/// Rung after a commit, so that workers need not wait for their next look at the database.
#[derive(Clone, Debug)]
pub struct Bells {
    /// A mail was promised.
    pub mail: Arc<Notify>,
    /// Events were committed; `None` while the relay is off, and then none are written.
    pub relay: Option<Arc<Notify>>,
}

/// How names were sanitised last. Good for guesses only: the site's settings are read with every call.
#[derive(Default)]
pub(super) struct LastRules(RwLock<Option<(String, Version, bool)>>);

impl LastRules {
    pub(super) fn remember(&self, rules: Rules<'_>) {
        let Rules {
            locale,
            version,
            multisite,
        } = rules;
        let is_known = |known: &(String, Version, bool)| known.0 == locale && known.1 == version;
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if !known.as_ref().is_some_and(is_known) {
            drop(known);
            let mut last = self.0.write().unwrap_or_else(PoisonError::into_inner);
            *last = Some((locale.to_owned(), version, multisite));
        }
    }

    /// Nothing, before the first new user.
    pub(super) fn with<T: Default>(&self, ask: impl FnOnce(Rules<'_>) -> T) -> T {
        let last = self.0.read().unwrap_or_else(PoisonError::into_inner);
        last.as_ref()
            .map_or_else(T::default, |&(ref locale, version, multisite)| {
                ask(Rules {
                    locale,
                    version,
                    multisite,
                })
            })
    }
}

/// Which hash new passwords get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordScheme {
    /// `$P$B`: every WordPress verifies it.
    Phpass,
    /// What the running version writes itself.
    WordPress {
        /// Of [`password::Scheme::Bcrypt`].
        bcrypt_cost: u32,
    },
}

impl PasswordScheme {
    /// The hash for a version.
    pub fn for_version(self, version: Version) -> password::Scheme {
        match self {
            Self::WordPress { bcrypt_cost: cost } if version.uses_bcrypt() => {
                password::Scheme::Bcrypt { cost }
            }
            _ => password::Scheme::Phpass,
        }
    }
}

/// How a new user's welcome mail leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WelcomeMail {
    /// From our outbox.
    Outbox,
    /// WordPress sends it: asked by an event while the relay is on, else by a scheduled action to which FluentCommunity
    /// (2.5.0 and later) listens.
    WordPress,
    /// Not at all.
    Off,
}
