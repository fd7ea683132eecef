//! The composition root: configuration in, running daemon out.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::web;
use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::config::{self, Config, PasswordHash, Transport};
use crate::db::{self, Statements, TableNames};
use crate::events::{self, Poker, WordPress};
use crate::fluentcommunity::webhooks::{PortalOverrides, old_keys};
use crate::http::{self, Bound, Front, Inherited, Rules};
use crate::mail::{Catalogues, Network, Pace, Sender, Smtp, Templates, Worker};
use crate::provision::{
    self, Chore, Lanes, LastRules, PasswordScheme, Site, Tally, TallyTask, VersionSource,
    WaitingRoom, WelcomeMail,
};
use crate::reload::Live;
use crate::telemetry::{self, Metrics};

/// Between two tries to reach a database that is away at start.
const DATABASE_RETRY: Duration = Duration::from_secs(1);
/// Between two looks for what has become old.
const HOUSEKEEPING: Duration = Duration::from_mins(10);

/// Between two looks at what waits in the database, for the metrics.
const BACKLOG: Duration = Duration::from_secs(5);

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
    let metrics = Arc::new(Metrics::new(Clock.now()));
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
        password_scheme: match wordpress.password_hash {
            PasswordHash::Phpass => PasswordScheme::Phpass,
            PasswordHash::WordPress => PasswordScheme::WordPress,
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
        prepared: AtomicBool::new(false),
        metrics,
        runtime: Handle::current(),
    };
    Ok((site, task))
}

/// Who sends mails: a worker with so many connections.
pub struct Senders {
    worker: Worker,
    connections: u32,
}

/// Sends with the latest senders. Those before end the mail that they have.
async fn send_mails(
    mut latest: mpsc::UnboundedReceiver<Option<Senders>>,
    draining: CancellationToken,
) {
    let mut running = JoinSet::new();
    let mut stop = draining.child_token();
    loop {
        tokio::select! {
            senders = latest.recv() => {
                let Some(senders) = senders else { break };
                stop.cancel();
                stop = draining.child_token();
                if let Some(Senders { worker, connections }) = senders {
                    running.spawn(worker.run(connections, stop.clone()));
                }
            }
            Some(ended) = running.join_next() => ended.expect("senders do not panic"),
            () = draining.cancelled() => break,
        }
    }
    while let Some(ended) = running.join_next().await {
        ended.expect("senders do not panic");
    }
}

/// Those who send promised mails; none if WordPress or nobody sends them, or if no server is configured: then they wait in
/// the outbox.
///
/// # Errors
/// The mail server's certificates or the operator's texts cannot be used.
pub fn senders(config: &Config, site: &Arc<Site>) -> anyhow::Result<Option<Senders>> {
    let mail = &config.mail;
    let Some(url) = config
        .smtp
        .url
        .as_ref()
        .filter(|_| mail.transport == Transport::Smtp)
    else {
        if mail.transport == Transport::Smtp {
            tracing::warn!("smtp.url is not set: welcome mails wait in the outbox");
        }
        return Ok(None);
    };
    let version = Arc::clone(site);
    let worker = Worker {
        pool: site.pool.clone(),
        statements: site.statements.clone(),
        prefix: site.tables.prefix().to_owned(),
        clock: site.clock,
        version: Box::new(move |options| version.version.version(&options.site)),
        smtp: Smtp::new(url, &config.smtp)?,
        sender: sender(config),
        catalogues: catalogues(config),
        templates: templates(config)?,
        pace: Pace {
            first_retry: mail.first_retry,
            longest_retry: mail.longest_retry,
            give_up: mail.give_up,
            lease: mail.lease,
            per_second: mail.mails_per_second,
        },
        metrics: Arc::clone(&site.metrics),
        relay_bell: site.relay_bell.clone(),
        bell: Arc::clone(&site.mail_bell),
    };
    Ok(Some(Senders {
        worker,
        connections: config.mail.connections,
    }))
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
    }))
}

/// The sender as configured.
pub fn sender(config: &Config) -> Sender {
    let (mail, wordpress) = (&config.mail, &config.wordpress);
    Sender {
        from: mail.from.clone(),
        from_name: mail.from_name.clone(),
        reply_to: mail.reply_to.clone(),
        envelope_from: mail.envelope_from.clone(),
        https_links: mail.https_links,
        network: wordpress
            .blog
            .as_ref()
            .and_then(|blog| blog.network.clone())
            .map(|said| Network {
                id: said.id,
                domain: said.domain,
                path: said.path,
            }),
        home: wordpress.home_url.clone(),
        site_url: wordpress.site_url.clone(),
    }
}

/// WordPress's translations, from the configured folder or the site's.
pub fn catalogues(config: &Config) -> Catalogues {
    let of_site = || {
        config
            .wordpress
            .root
            .as_ref()
            .map(|root| root.join("wp-content/languages"))
    };
    Catalogues::in_folder(config.mail.languages.clone().or_else(of_site))
}

/// The operator's own texts, if any.
///
/// # Errors
/// A file is missing or is no template.
pub fn templates(config: &Config) -> anyhow::Result<Templates> {
    config
        .mail
        .templates
        .as_deref()
        .map_or_else(|| Ok(Templates::none()), Templates::in_folder)
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

/// Creates our tables as soon as the database answers and is fit to be written to. Until then every call gets 503.
async fn prepare_database(site: Arc<Site>, has_files: bool, draining: CancellationToken) {
    let mut said = String::new();
    while let Err(reason) = prepare(&site, has_files).await {
        if reason != said {
            tracing::error!(
                "not ready: {reason}. Calls get 503 until this is mended; \"fcom-sidecar check\" tells more"
            );
            said = reason;
        }
        tokio::select! {
            () = tokio::time::sleep(DATABASE_RETRY) => {}
            () = draining.cancelled() => return,
        }
    }
    site.prepared.store(true, Ordering::Relaxed);
    tracing::info!("ready");
}

/// Everything that the database must be before it can be written to, or why it is not. `has_files`: WordPress's own have
/// told what kind of site it is.
async fn prepare(site: &Site, has_files: bool) -> Result<(), String> {
    let obstacle = site.pool.work(async |connection| {
        if !has_files
            && let Some(network) = db::undeclared_network(connection, &site.tables).await?
        {
            return Ok(Some(network));
        }
        db::obstacle(connection, &site.tables).await
    });
    match obstacle.await {
        Ok(None) => {}
        Ok(Some(obstacle)) => return Err(obstacle.to_string()),
        Err(error) => return Err(telemetry::chain(&error)),
    }
    let cluster = site
        .pool
        .work(async |connection| db::Cluster::read(connection).await);
    let cluster = cluster.await.map_err(|error| telemetry::chain(&error))?;
    site.statements
        .set_several_writers(cluster.has_several_writers());
    db::migrate(&site.pool, &site.tables)
        .await
        .map_err(|error| telemetry::chain(&error))
}

/// Keeps the metrics of what waits in the database up to date. While it is away they stay as they are.
async fn watch_backlog(site: Arc<Site>, draining: CancellationToken) {
    let mut interval = tokio::time::interval(BACKLOG);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = draining.cancelled() => return,
        }
        if !site.prepared.load(Ordering::Relaxed) {
            continue;
        }
        match provision::backlog(&site).await {
            Ok(backlog) => site.metrics.set_backlog(&backlog, site.clock.now()),
            Err(error) => tracing::debug!("no backlog for now: {}", telemetry::chain(&error)),
        }
    }
}

/// Deletes runs past their retention and forgets keys that are no longer of use.
async fn keep_house(
    site: Arc<Site>,
    runs: watch::Receiver<config::Runs>,
    relay: config::Relay,
    draining: CancellationToken,
) {
    let mut interval = tokio::time::interval(HOUSEKEEPING);
    loop {
        tokio::select! {
            _ = interval.tick() => {}
            () = draining.cancelled() => return,
        }
        let now = site.clock.now();
        let runs = runs.borrow().clone();
        let prune_before = now - TimeDelta::days(runs.retention_days.into());
        let forget_before = now - TimeDelta::hours(runs.idempotency_hours.into());
        for (chore, before) in [
            (Chore::Prune, prune_before),
            (Chore::ForgetIdempotencyKeys, forget_before),
        ] {
            tidy(&site, chore, before).await;
        }
        forget_events(&site, now - TimeDelta::days(relay.retention_days.into())).await;
        forget_old_keys(&site, now).await;
    }
}

/// There are few, and those that are no longer valid are not found anyway: what is left over is for the next time.
async fn forget_old_keys(site: &Site, now: DateTime<Utc>) {
    let forgotten = site
        .pool
        .work(async |connection| old_keys::prune(connection, &site.statements, now).await);
    if let Err(error) = forgotten.await {
        tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
    }
}

/// Bit by bit, until there is nothing left to do.
async fn tidy(site: &Site, chore: Chore, before: DateTime<Utc>) {
    loop {
        match provision::tidy(site, chore, before).await {
            Ok(0) => return,
            Ok(runs) => tracing::debug!("{chore:?}: {runs} runs"),
            Err(error) => {
                tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
                return;
            }
        }
    }
}

/// Events that ended well, also those of a relay that is off now.
async fn forget_events(site: &Site, before: DateTime<Utc>) {
    let forget = async || {
        let (statements, before) = (&site.statements, before.naive_utc());
        site.pool
            .work(async |connection| events::queue::prune(connection, statements, before).await)
            .await
    };
    loop {
        match forget().await {
            Ok(0) => return,
            Ok(events) => tracing::debug!("forgot {events} events"),
            Err(error) => {
                tracing::debug!("no housekeeping for now: {}", telemetry::chain(&error));
                return;
            }
        }
    }
}
