//! The composition root: configuration in, running daemon out.

mod mails;
mod upkeep;

use std::sync::Arc;

use actix_web::web;
use anyhow::Context;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::mails::send_mails;
pub use self::mails::{Senders, catalogues, sender, senders, templates};
use self::upkeep::{keep_house, prepare_database, watch_backlog};
use crate::clock::Clock;
use crate::config::{self, Config, PasswordHash, Transport};
use crate::db::{self, Statements, TableNames};
use crate::events::{Poker, WordPress};
use crate::fluentcommunity::webhooks::PortalOverrides;
use crate::http::{self, Bound, Front, Inherited, Occasionally, Rules};
use crate::provision::{
    Lanes, LastRules, PasswordScheme, Readiness, Site, Tally, TallyTask, VersionSource,
    WaitingRoom, WelcomeMail,
};
use crate::reload::Live;
use crate::telemetry::Metrics;

/// A daemon that listens; [`crate::lifecycle::serve`] it.
pub struct App {
    /// Both servers.
    pub servers: Bound,
    /// The site; its calls under way are drained before the end.
    pub site: Arc<Site>,
    /// Cancelled when the process is asked to stop: nothing new is taken.
    pub draining: CancellationToken,
    /// Cancelled when the last call has ended: the tally counts what waits and ends.
    pub stop_tally: CancellationToken,
    /// Whether the next process takes over the public socket.
    pub hands_over: bool,
    /// Requests that are being answered.
    pub requests: TaskTracker,
    /// What may change while it runs.
    pub live: Arc<Live>,
    /// Background tasks of the process; one that panics ends it.
    pub background: JoinSet<()>,
}

/// Builds the daemon and binds its listeners. The database need not be there yet.
///
/// # Errors
/// The configuration cannot be used, or an address is taken.
pub fn start(config: &Config, inherited: Inherited) -> anyhow::Result<App> {
    let (site, tally) = site(config)?;
    let site = Arc::new(site);
    let limits = &config.limits;
    let draining = CancellationToken::new();
    let requests = TaskTracker::new();
    let hands_over = inherited.has_calls();
    let (rules_sender, rules) = watch::channel(Arc::new(Rules::new(config, None)));
    let front = web::Data::new(Front {
        site: Arc::clone(&site),
        calls: Arc::new(Semaphore::new(limits.max_calls_in_flight)),
        portal: portal_overrides(&config.wordpress),
        max_calls: limits.max_calls_in_flight,
        refusals: Occasionally::default(),
        draining: draining.clone(),
        hands_over,
        requests: requests.clone(),
        rules,
    });
    let (senders_sender, senders_receiver) = mpsc::unbounded_channel();
    // The receiver is here.
    let _ = senders_sender.send(senders(config, &site)?);
    let (runs_sender, runs) = watch::channel(config.runs.clone());
    let live = Arc::new(Live {
        rules: rules_sender,
        runs: runs_sender,
        senders: senders_sender,
        site: Arc::clone(&site),
    });
    let servers = http::bind(front, &config.server, limits.max_connections, inherited)?;

    let stop_tally = CancellationToken::new();
    let mut background = JoinSet::new();
    background.spawn(tally.run(Arc::clone(&site), stop_tally.clone()));
    let (pool, stop) = (site.pool.clone(), stop_tally.clone());
    background.spawn(async move { pool.watch(&stop).await });
    background.spawn(send_mails(senders_receiver, draining.clone()));
    background.spawn(watch_backlog(Arc::clone(&site), draining.clone()));
    if let Some(poker) = poker(config, &site)? {
        background.spawn(poker.run(draining.clone()));
    }
    background.spawn(keep_house(
        Arc::clone(&site),
        runs,
        config.relay.clone(),
        draining.clone(),
    ));
    let has_files = config.wordpress.root.is_some();
    background.spawn(prepare_database(
        Arc::clone(&site),
        has_files,
        draining.clone(),
    ));
    Ok(App {
        servers,
        site,
        draining,
        stop_tally,
        hands_over,
        requests,
        live,
        background,
    })
}

/// Everything that calls need, and the task that counts them.
///
/// # Errors
/// A database URL, table name or version that cannot be used.
pub fn site(config: &Config) -> anyhow::Result<(Site, TallyTask)> {
    let wordpress = &config.wordpress;
    let tables = tables(wordpress)?;
    let mut metrics = Metrics::new(Clock.now());
    if config.relay.enabled {
        metrics = metrics.with_relay();
    }
    let metrics = Arc::new(metrics);
    metrics
        .connections_limit
        .set(config.database.max_connections.into());
    let pool =
        db::open(&config.database, Arc::clone(&metrics)).context("database.url cannot be used")?;
    let (tally, task) = Tally::new();
    let site = Site {
        pool,
        statements: Statements::render(&tables),
        tables,
        clock: Clock,
        version: version(wordpress)?,
        last_rules: LastRules::default(),
        catalogues: Arc::new(catalogues(wordpress)),
        password_scheme: match wordpress.password_hash {
            PasswordHash::Phpass => PasswordScheme::Phpass,
            PasswordHash::WordPress => PasswordScheme::WordPress {
                bcrypt_cost: wordpress.bcrypt_cost,
            },
        },
        welcome_mail: match config.mail.transport {
            Transport::Smtp => WelcomeMail::Outbox,
            Transport::WordPress => WelcomeMail::WordPress,
            Transport::Off => WelcomeMail::Off,
        },
        waiting_room: WaitingRoom::default(),
        mail_bell: Arc::default(),
        relay_bell: config.relay.enabled.then(Arc::default),
        lanes: Lanes::new(
            config.limits.max_calls_in_flight,
            usize::try_from(config.database.max_connections).unwrap_or(usize::MAX),
            config.limits.hash_threads,
        ),
        tally,
        tasks: TaskTracker::new(),
        readiness: Readiness::default(),
        metrics,
        runtime: Handle::current(),
    };
    Ok((site, task))
}

/// Who wakes WordPress; nobody while the relay is off or has no address: then WP-Cron looks by itself.
fn poker(config: &Config, site: &Arc<Site>) -> anyhow::Result<Option<Poker>> {
    let Some(bell) = &site.relay_bell else {
        return Ok(None);
    };
    let Some(wake) = &config.relay.wake else {
        tracing::warn!(
            "relay.url is not set: hooks wait for WP-Cron, up to a minute or for a visitor"
        );
        return Ok(None);
    };
    Ok(Some(Poker {
        pool: site.pool.clone(),
        statements: site.statements.clone(),
        clock: site.clock,
        wordpress: WordPress::new(wake).context("relay.url cannot be used")?,
        bell: Arc::clone(bell),
        calls: site.tasks.clone(),
        metrics: Arc::clone(&site.metrics),
    }))
}

/// The site's table names.
///
/// # Errors
/// A name that cannot stand in SQL.
pub fn tables(wordpress: &config::WordPress) -> anyhow::Result<TableNames> {
    let names = TableNames::new(
        &wordpress.table_prefix,
        wordpress.users_table.as_deref(),
        wordpress.usermeta_table.as_deref(),
    );
    let names = match &wordpress.blog {
        Some(blog) => names.and_then(|names| names.of_blog(blog.id, &blog.prefix)),
        None => names,
    };
    names.context("wordpress.table_prefix, users_table or usermeta_table cannot be used")
}

/// What `wp-config.php` says of the portal's address.
pub fn portal_overrides(wordpress: &config::WordPress) -> PortalOverrides {
    PortalOverrides {
        slug: wordpress.portal_slug.clone(),
        home: wordpress.home_url.clone(),
    }
}

/// Where the WordPress version comes from: said outright, else the file, else the database.
fn version(wordpress: &config::WordPress) -> anyhow::Result<VersionSource> {
    let Some(text) = &wordpress.version else {
        return Ok(VersionSource::Database);
    };
    let version = text.parse().context("wordpress.version cannot be read")?;
    Ok(match &wordpress.version_file {
        Some(path) => VersionSource::file(path.clone(), version, |path| {
            config::read_version_file(path)?.parse().ok()
        }),
        None => VersionSource::Fixed(version),
    })
}
