//! State shared by all calls of this process, in addition to the site.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::leftovers::Leftovers;
use super::{Hashing, NewUserLimits, Tally, TallyTask, WaitingRoom};
use crate::site::Site;
use crate::telemetry::Metrics;
use crate::wordpress::password;
use crate::wordpress::version::Version;

/// Each may occupy a processor for a sixth of a second.
const RENDERED_AT_ONCE: usize = 2;

/// Shared by all calls; one per process.
pub struct Calls {
    /// The site that the calls run against.
    pub site: Arc<Site>,
    /// How new users are created.
    pub(super) new_users: NewUserPolicy,
    /// Queues calls for the same user, and for new users who want the same name.
    pub(super) waiting_room: WaitingRoom,
    /// Limits on what calls that create users may use at once.
    pub(super) new_user_limits: NewUserLimits,
    /// Hashes new users' passwords.
    pub(super) hashing: Hashing,
    /// Places to render biographies in.
    pub(super) rendering: Semaphore,
    /// Ids that new users cannot have.
    pub(super) leftovers: Leftovers,
    /// Counts runs.
    pub(super) tally: Tally,
    /// Wakes the workers after a commit.
    pub bells: Bells,
    /// Calls in flight: the process does not exit before they end.
    pub tasks: TaskTracker,
    /// The main runtime: a web worker's own runtime ends with the worker.
    pub runtime: Handle,
    /// Counters and measurements.
    pub metrics: Arc<Metrics>,
}

impl Calls {
    /// Also returns the task that counts the runs. Must be called on the main runtime.
    pub fn new(
        site: Arc<Site>,
        new_users: NewUserPolicy,
        new_user_limits: NewUserLimits,
        hashing: Hashing,
        bells: Bells,
        metrics: Arc<Metrics>,
    ) -> (Self, TallyTask) {
        let counts_users = bells.relay.is_none();
        let (tally, task) = Tally::new(Arc::clone(&site), Arc::clone(&metrics), counts_users);
        let calls = Self {
            site,
            new_users,
            waiting_room: WaitingRoom::default(),
            new_user_limits,
            hashing,
            rendering: Semaphore::new(RENDERED_AT_ONCE),
            leftovers: Leftovers::default(),
            tally,
            bells,
            tasks: TaskTracker::new(),
            runtime: Handle::current(),
            metrics,
        };
        (calls, task)
    }

    /// Whether we, not WordPress, update `user_count`: with the relay on, WordPress's own `user_register` listener does.
    pub(super) fn counts_users(&self) -> bool {
        self.bells.relay.is_none()
    }

    /// Until `stop`, looks which ids new users can have.
    pub async fn look_ahead(self: Arc<Self>, stop: CancellationToken) {
        self.leftovers.look_ahead(&self.site, stop).await;
    }
}

/// How new users are created, as configured.
#[derive(Clone, Copy, Debug)]
pub struct NewUserPolicy {
    /// The hash for passwords that the caller supplies.
    pub password_scheme: PasswordScheme,
    /// How welcome mails are sent.
    pub welcome_mail: WelcomeMail,
}

/// Wakes workers after a commit, so that they need not wait for their next poll.
#[derive(Clone, Debug)]
pub struct Bells {
    /// A mail was added to the outbox.
    pub mail: Arc<Notify>,
    /// Events were committed; `None` while the relay is off, when no events are written.
    pub relay: Option<Arc<Notify>>,
}

impl Bells {
    /// For a call of which it is not known what it has left behind.
    pub(super) fn ring(&self) {
        self.mail.notify_one();
        if let Some(bell) = &self.relay {
            bell.notify_one();
        }
    }
}

/// Which hash new passwords use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordScheme {
    /// `$P$B`: every WordPress version can verify it.
    Phpass,
    /// The format that the running WordPress version writes itself.
    WordPress {
        /// The cost of [`password::Scheme::Bcrypt`].
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

/// How a new user's welcome mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WelcomeMail {
    /// From our outbox.
    Outbox,
    /// WordPress sends it, triggered by an event if the relay is on, else by a scheduled action that FluentCommunity
    /// (2.5.0 and later) handles.
    WordPress,
    /// No welcome mail.
    Off,
}
