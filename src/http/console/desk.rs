//! What the console keeps between requests, once per process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use tokio::sync::watch;

use super::super::{Front, Occasionally};
use super::assets::Assets;
use super::nonces::Nonces;
use super::once::Made;
use super::sessions::Sessions;
use super::shared::{News, Shared};
use super::templates::Templates;
use crate::check::{self, Asker, Report};
use crate::config::{Config, Sources};
use crate::fluentcommunity::webhooks::Environment;
use crate::site;
use crate::site::Cause;
use crate::wordpress::time::SiteZone;

/// For so long, what the site says about itself is believed.
const BELIEVED: Duration = Duration::from_mins(1);

/// The console.
pub struct Console {
    pub(super) sessions: Sessions,
    pub(super) templates: Templates,
    pub(super) assets: Assets,
    /// With which the must-use plugin signs; like the rest of `[relay]`, it changes with a restart only.
    pub(super) secret: Option<SecretString>,
    pub(super) nonces: Nonces,
    /// The webhooks that forms have made.
    pub(super) made: Made,
    /// The name of the site's database.
    pub(super) database: Option<String>,
    /// Limits the log to one refusal of a signed request a second.
    pub(super) refusals: Occasionally,
    /// For so many days calls in shadow mode are kept, which changes with a restart only.
    pub(super) shadow_days: u32,
    /// What the last reload has read. Options that need a restart may not be in force.
    pub(super) config: watch::Receiver<Arc<Config>>,
    pub(super) news: News,
    sources: Sources,
    about: Shared<About>,
    /// The latest report, and when it was made. Locked while one is made: a second one would only make both slower.
    report: tokio::sync::Mutex<Option<(Instant, Arc<Report>)>>,
}

/// What the site says about itself.
#[derive(Debug)]
pub(super) struct About {
    /// Its host.
    pub(super) host: String,
    pub(super) zone: SiteZone,
    pub(super) zone_name: String,
}

impl Console {
    /// `sources` is where the configuration comes from, `now` when the process began.
    pub fn new(config: watch::Receiver<Arc<Config>>, sources: Sources, now: DateTime<Utc>) -> Self {
        let secret = config.borrow().relay.secret.clone();
        let database = site::database_name(&config.borrow());
        let shadow_days = config.borrow().shadow.retention_days;
        Self {
            database,
            sessions: Sessions::default(),
            templates: Templates::compile(),
            assets: Assets::new(),
            secret,
            nonces: Nonces::since(now),
            made: Made::default(),
            refusals: Occasionally::default(),
            shadow_days,
            config,
            news: News::default(),
            sources,
            about: Shared::default(),
            report: tokio::sync::Mutex::default(),
        }
    }

    /// What is known of the site, also while its database is away.
    pub(super) async fn about(&self, front: &actix_web::web::Data<Front>) -> Arc<About> {
        let reading = async {
            let is_away = front.site.readiness.has(Cause::Away);
            let read = if is_away { None } else { read(front).await };
            read.ok_or(())
        };
        if let Ok(about) = self.about.get(BELIEVED, reading).await {
            return about;
        }
        let latest = self.about.latest().await;
        latest.unwrap_or_else(|| {
            Arc::new(About {
                host: String::new(),
                zone: SiteZone::UTC,
                zone_name: "UTC".to_owned(),
            })
        })
    }

    /// The latest report, unless it is older than this; else a new one. Also returns its age.
    pub(super) async fn report(
        self: Arc<Self>,
        front: &Front,
        at_most: Duration,
    ) -> Option<(Duration, Arc<Report>)> {
        let making = async move {
            let mut latest = self.report.lock().await;
            if let Some((when, report)) = &*latest
                && when.elapsed() < at_most
            {
                return (when.elapsed(), Arc::clone(report));
            }
            let config = Arc::clone(&self.config.borrow());
            let report = Arc::new(check::run(&config, &self.sources, Asker::Daemon).await);
            *latest = Some((Instant::now(), Arc::clone(&report)));
            (Duration::ZERO, report)
        };
        front.on_main_runtime(making).await
    }

    /// How many checks the latest report says failed.
    pub(super) fn failed_checks(&self) -> usize {
        let Ok(latest) = self.report.try_lock() else {
            return 0;
        };
        let report = latest.as_ref().map(|(_, report)| report);
        report.map_or(0, |report| {
            let checks = report.checks.iter();
            checks
                .filter(|one| one.status == check::Status::Failed)
                .count()
        })
    }
}

async fn read(front: &actix_web::web::Data<Front>) -> Option<About> {
    let inside = front.clone().into_inner();
    let environment = front.on_main_runtime(async move {
        let site = &inside.site;
        let environment = site.pool.work(async |connection| {
            let (statements, tables) = (&site.statements, &site.tables);
            Environment::read(connection, statements, tables, &inside.portal).await
        });
        environment.await
    });
    let environment = environment.await?.ok()?;
    let zone = environment.options.zone();
    let url = environment.portal.url().ok();
    Some(About {
        host: url
            .and_then(|url| url.host_str().map(str::to_owned))
            .unwrap_or_default(),
        zone,
        zone_name: match zone {
            SiteZone::Named(zone) => zone.name().to_owned(),
            SiteZone::Fixed(offset) => match offset.num_minutes() {
                0 => "UTC".to_owned(),
                minutes => {
                    let sign = if minutes < 0 { '−' } else { '+' };
                    let minutes = minutes.abs();
                    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
                }
            },
        },
    })
}
