//! Notices that tables are dropped and made again while the daemon runs, as a restored dump does. A call that is
//! executed meanwhile would be lost as soon as the next table is replaced, and its mail would go to somebody who does
//! not exist. So calls and mails wait until the tables have been whole for some seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::db::Traces;
use crate::site::{Cause, Reason, Site};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// Record of runs: after this long without a call, housekeeping may have deleted all of them.
const FRESH: Duration = Duration::from_hours(1);

/// Looks until `stop`. `pause`: how long nothing must have changed.
pub(super) async fn watch_for_restore(site: Arc<Site>, pause: Duration, stop: CancellationToken) {
    let watch = async {
        site.readiness.wait().await;
        let mut watch = Watch {
            site: &site,
            pause,
            before: Traces::default(),
            grown: Instant::now(),
            change: None,
        };
        loop {
            watch.look().await;
            tokio::time::sleep(LOOK).await;
        }
    };
    // Only reads, so it may be broken off at any point.
    tokio::select! {
        () = watch => {}
        () = stop.cancelled() => {}
    }
}

struct Watch<'a> {
    site: &'a Site,
    pause: Duration,
    /// The tables as they were last seen, those that are gone included.
    before: Traces,
    /// When there was last a new run.
    grown: Instant,
    /// The last change that calls wait for.
    change: Option<Instant>,
}

impl Watch<'_> {
    async fn look(&mut self) {
        let Site {
            tables, statements, ..
        } = self.site;
        let newest_run = &statements.newest_run;
        // Also what was committed since the last look.
        let committed = self.site.take_newest_run();
        self.before.newest_run = self.before.newest_run.max(committed);
        let looked = self
            .site
            .pool
            .work(async |connection| Traces::read(connection, tables, newest_run).await);
        // A database that is away is noticed elsewhere; whatever happened to it shows afterwards.
        let Ok(now) = looked.await else {
            return;
        };
        if now.newest_run > self.before.newest_run || committed.is_some() {
            self.grown = Instant::now();
        } else if self.grown.elapsed() > FRESH {
            self.before.newest_run = now.newest_run;
        }
        if let Some(change) = now.change_since(&self.before) {
            if self.change.is_none() {
                let what = format!(
                    "{change}: a dump is being restored, or tables are being altered. Calls and mails wait until the tables \
                     have been whole for {} seconds",
                    self.pause.as_secs()
                );
                self.site
                    .readiness
                    .obstruct(Cause::Restored, Reason::passing(what));
            }
            self.change = Some(Instant::now());
        } else if self
            .change
            .is_some_and(|change| change.elapsed() >= self.pause)
        {
            self.change = None;
            self.site.readiness.clear(Cause::Restored);
        }
        self.before.follow(now);
    }
}
