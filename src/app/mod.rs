//! The composition root: builds the running daemon from the configuration.

mod guard;
mod instance;
mod keeping;
mod load;
mod mails;
mod measures;
mod reloadable;
mod restore;
mod upkeep;
mod vigil;

use std::sync::Arc;

use actix_web::web;
use anyhow::Context;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::guard::Guard;
use self::instance::confirm_instance;
pub use self::keeping::keeping_of_command;
use self::keeping::record_refused;
pub use self::load::load;
use self::mails::{MailRoom, send_mails};
pub use self::reloadable::{Reloadable, Replacement};
use self::restore::watch_for_restore;
use self::upkeep::{Retention, keep_house, watch_backlog};
use self::vigil::watch_database;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, PasswordHash, Sources, Transport};
use crate::db::ErrorKind;
use crate::events::{Poker, WordPress};
use crate::http::{
    self, Bound, CallerRules, Console, Front, Inherited, KnownKeys, Occasionally, Shadow,
};
use crate::operations::agreement::Settings;
use crate::operations::trial::MailText;
use crate::operations::trial_mail;
use crate::operations::webhooks::portal_overrides;
use crate::provision::{
    Bells, Calls, Hashing, NewUserLimits, NewUserPolicy, PasswordScheme, ProvisionError, TallyTask,
    WelcomeMail,
};
use crate::site::Site;
use crate::telemetry::Metrics;

/// The requests without a slot that the public listener's server has room for: they are about to be refused.
const MORE_ROOMS: usize = 64;

/// A daemon whose listeners are bound; run it with [`crate::lifecycle::serve`].
pub struct App {
    /// Both servers.
    pub servers: Bound,
    /// The site it serves.
    pub site: Arc<Site>,
    /// Calls in progress are drained before shutdown.
    pub calls: Arc<Calls>,
    /// Cancelled when the process is asked to stop; no new work is accepted from then on.
    pub draining: CancellationToken,
    /// Cancelled when the last call has ended; the tally then counts the pending runs and ends.
    pub stop_tally: CancellationToken,
    /// Whether the next process takes over the public socket.
    pub hands_over: bool,
    /// Requests being answered.
    pub requests: TaskTracker,
    /// What a reload may change.
    pub reloadable: Arc<Reloadable>,
    /// Told once if nothing keeps PHP from executing a protected webhook: the process must not go on.
    pub unguarded: Option<oneshot::Receiver<ConfigError>>,
    /// Background tasks of the process; a panic in one ends the process.
    pub background: JoinSet<()>,
}

/// Builds the daemon and binds its listeners. The database need not be reachable yet. `sources` is where `config` was loaded
/// from.
///
/// # Errors
/// The configuration is invalid, or an address is in use.
pub fn start(config: &Config, sources: Sources, inherited: Inherited) -> anyhow::Result<App> {
    let metrics = Arc::new(metrics(config));
    let site = Arc::new(Site::new(config, Arc::clone(&metrics))?);
    let (calls, tally) = calls(config, &site, &metrics);
    let draining = CancellationToken::new();
    let requests = TaskTracker::new();
    let hands_over = inherited.has_calls();
    let (rules_sender, rules) = watch::channel(Arc::new(CallerRules::new(config, None)));
    let (mail_text_sender, mail_text) = watch::channel(Arc::new(mail_text(config)?));
    let (limits, wordpress) = (&config.limits, &config.wordpress);
    let (refusals, recording) = record_refused(config, &site, &metrics)?;
    // Each occupies some twenty kilobytes. Those who find no place for a call are refused while others are carried out.
    let rooms = limits.max_calls_in_flight + MORE_ROOMS;
    let front = web::Data::new(Front {
        site: Arc::clone(&site),
        calls: Arc::clone(&calls),
        places: Arc::new(Semaphore::new(limits.max_calls_in_flight)),
        guesses: Arc::new(Semaphore::new(limits.max_calls_in_flight.div_ceil(4))),
        rooms: Arc::new(Semaphore::new(rooms)),
        max_places: limits.max_calls_in_flight,
        runtime: calls.runtime.clone(),
        tasks: calls.tasks.clone(),
        portal: portal_overrides(wordpress),
        refusals: Occasionally::default(),
        refused: refusals.clone(),
        known_keys: KnownKeys::new(Arc::clone(&site), calls.runtime.clone()),
        draining: draining.clone(),
        hands_over,
        requests: requests.clone(),
        shadow: Shadow::new(&config.shadow),
        mail_text,
        rules,
        metrics: Arc::clone(&metrics),
    });
    let mail_room = MailRoom::new(&calls);
    let (delivery, asked) = (mail_room.delivery.clone(), mail_room.asked.clone());
    let (senders_sender, senders) = mpsc::unbounded_channel();
    let senders_of_mails = mail_room
        .senders(config)
        .with_context(|| format!("mails cannot be sent: {}", trial_mail::MEND))?;
    // Cannot fail: the receiver is still in scope.
    let _ = senders_sender.send(senders_of_mails);
    let (runs_sender, runs) = watch::channel(config.runs.clone());
    let (refused_sender, refused) = watch::channel(config.refused.clone());
    let (settings_sender, settings) = watch::channel(Settings::of(config));
    let (mails_sender, mails) = watch::channel(config.mail.retention_days);
    let (in_force, console) = console(config, sources, &site);
    let (guard, door) = Guard::new(in_force.subscribe(), &site);
    let reloadable = Arc::new(Reloadable {
        config: in_force,
        rules: rules_sender,
        mail_text: mail_text_sender,
        runs: runs_sender,
        refused: refused_sender,
        mails: mails_sender,
        settings: settings_sender,
        refusals,
        senders: senders_sender,
        guard_seen: door.seen,
        mail_room,
        metrics: Arc::clone(&metrics),
    });
    let mut background = learn_keys(&front, &draining);
    let servers = http::bind(front, console, &config.server, limits, inherited)?;

    let stop_tally = CancellationToken::new();
    attend(&mut background, config, &calls, tally, &stop_tally);
    background.spawn(recording.run(stop_tally.clone()));
    background.spawn(watch_database(
        Arc::clone(&site),
        wordpress.root.is_some(),
        stop_tally.clone(),
    ));
    background.spawn(guard.run(draining.clone()));
    if let Some(poker) = poker(config, &calls)? {
        background.spawn(poker.run(draining.clone()));
    }
    background.spawn(confirm_instance(
        Arc::clone(&site),
        settings,
        delivery.subscribe(),
        asked,
        draining.clone(),
    ));
    background.spawn(send_mails(senders, delivery, draining.clone()));
    let kept = Retention {
        runs,
        refused,
        mails,
        shadow_days: config.shadow.retention_days,
    };
    keep(&mut background, config, &site, metrics, kept, &draining);
    Ok(App {
        servers,
        site,
        calls,
        draining,
        stop_tally,
        hands_over,
        requests,
        reloadable,
        unguarded: Some(door.unguarded),
        background,
    })
}

fn mail_text(config: &Config) -> anyhow::Result<MailText> {
    let text = MailText::new(config);
    text.with_context(|| format!("mails cannot be sent: {}", trial_mail::MEND))
}

/// The background tasks, the first of which reads the keys of webhooks, now and after each reload: by these, calls of webhooks with a
/// source are kept while the database is away.
fn learn_keys(front: &web::Data<Front>, draining: &CancellationToken) -> JoinSet<()> {
    let (front, draining) = (front.clone(), draining.clone());
    let mut background = JoinSet::new();
    background.spawn(async move {
        let mut rules = front.rules.clone();
        let learning = async {
            let are_needed = |rules: &Arc<CallerRules>| {
                rules.have_sources() && front.refused.keeping().is_some()
            };
            while rules.wait_for(are_needed).await.is_ok() {
                front.known_keys.learn().await;
                if rules.changed().await.is_err() {
                    break;
                }
            }
        };
        draining.run_until_cancelled(learning).await;
    });
    background
}

/// The console, and what tells it of a configuration that holds from now on.
fn console(
    config: &Config,
    sources: Sources,
    site: &Site,
) -> (watch::Sender<Arc<Config>>, web::Data<Console>) {
    let (sender, in_force) = watch::channel(Arc::new(config.clone()));
    let console = Console::new(in_force, sources, site.clock.now());
    (sender, web::Data::new(console))
}

/// Spawns what calls need beside them: their runs are counted, free ids are looked for ahead of them, and they wait while a
/// dump is restored.
pub fn attend(
    background: &mut JoinSet<()>,
    config: &Config,
    calls: &Arc<Calls>,
    tally: TallyTask,
    stop: &CancellationToken,
) {
    background.spawn(tally.run(stop.clone()));
    background.spawn(Arc::clone(calls).look_ahead(stop.clone()));
    let (site, pause) = (Arc::clone(&calls.site), config.database.restore_pause);
    if !pause.is_zero() {
        background.spawn(watch_for_restore(site, pause, stop.clone()));
    }
}

/// Spawns what counts the rows of our tables, and deletes those that have had their time.
fn keep(
    background: &mut JoinSet<()>,
    config: &Config,
    site: &Arc<Site>,
    metrics: Arc<Metrics>,
    retention: Retention,
    stop: &CancellationToken,
) {
    background.spawn(watch_backlog(
        Arc::clone(site),
        metrics,
        config.relay.enabled,
        stop.clone(),
    ));
    background.spawn(keep_house(
        Arc::clone(site),
        retention,
        config.relay.clone(),
        stop.clone(),
    ));
}

/// All metrics of a daemon with this configuration, at zero.
pub fn metrics(config: &Config) -> Metrics {
    let database_errors = ErrorKind::ALL.map(ErrorKind::word);
    let metrics = Metrics::new(Clock.now(), &database_errors, &ProvisionError::RETRIED);
    if config.relay.enabled {
        metrics.with_relay()
    } else {
        metrics
    }
}

/// The state that calls share, and the task that counts runs, for commands. Must be called on the runtime.
pub fn calls_of_command(config: &Config, site: &Arc<Site>) -> (Arc<Calls>, TallyTask) {
    calls(config, site, &Arc::new(metrics(config)))
}

/// The state that calls share, and the task that counts runs.
fn calls(config: &Config, site: &Arc<Site>, metrics: &Arc<Metrics>) -> (Arc<Calls>, TallyTask) {
    let new_users = NewUserPolicy {
        password_scheme: match config.wordpress.password_hash {
            PasswordHash::Phpass => PasswordScheme::Phpass,
            PasswordHash::WordPress => PasswordScheme::WordPress {
                bcrypt_cost: config.wordpress.bcrypt_cost,
            },
        },
        welcome_mail: match config.mail.transport {
            Transport::Smtp => WelcomeMail::Outbox,
            Transport::WordPress => WelcomeMail::WordPress,
            Transport::Off => WelcomeMail::Off,
        },
    };
    let limits = NewUserLimits::new(
        config.limits.max_calls_in_flight,
        usize::try_from(config.database.max_connections).unwrap_or(usize::MAX),
    );
    let hashing = Hashing::new(config.limits.hash_threads);
    let bells = Bells {
        mail: Arc::default(),
        relay: config.relay.enabled.then(Arc::default),
    };
    let (site, metrics) = (Arc::clone(site), Arc::clone(metrics));
    let (calls, tally) = Calls::new(site, new_users, limits, hashing, bells, metrics);
    (Arc::new(calls), tally)
}

/// The task that wakes WordPress; `None` while the relay is off or has no address, in which case WP-Cron polls by
/// itself.
fn poker(config: &Config, calls: &Calls) -> anyhow::Result<Option<Poker>> {
    let Some(bell) = &calls.bells.relay else {
        return Ok(None);
    };
    let Some(wake) = &config.relay.wake else {
        tracing::warn!(
            "relay.url is not set: hooks wait for WP-Cron, up to a minute or for a visitor"
        );
        return Ok(None);
    };
    Ok(Some(Poker {
        site: Arc::clone(&calls.site),
        wordpress: WordPress::new(
            wake.url.clone(),
            wake.secret.clone(),
            wake.timeout,
            &config.wordpress.content.must_use_plugins,
        )
        .context("relay.url cannot be used")?,
        bell: Arc::clone(bell),
        calls: calls.tasks.clone(),
        give_up_days: config.relay.give_up_days,
        metrics: Arc::clone(&calls.metrics),
    }))
}
