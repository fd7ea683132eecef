//! Watches whether calls can be carried out. It pings the server every second, and examines the database at start, every
//! few seconds, when database work fails for a reason that may concern all calls, and again and again until an obstacle
//! is gone. What it finds is kept in the site's readiness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::db::Weight;
use crate::site::{Cause, Examination, Examiner, Site, Verdict};

/// Between two pings.
const CALM: Duration = Duration::from_secs(1);
/// Between two attempts to reach a server that does not answer, so that its return is noticed quickly.
const ANXIOUS: Duration = Duration::from_millis(200);
/// Between two examinations while something is suspected or known to be wrong.
const WORRIED: Duration = Duration::from_secs(1);
/// Between two examinations while all is well.
const ROUTINE: Duration = Duration::from_secs(5);

/// Runs until `stop`. `has_files`: WordPress's own files have determined what kind of site it is.
pub(super) async fn watch_database(site: Arc<Site>, has_files: bool, stop: CancellationToken) {
    let watch = async {
        let mut watch = Watch {
            examination: Examination::new(&site, Examiner::Serve, has_files),
            site: &site,
            examined: Instant::now(),
            is_suspicious: false,
            is_away: false,
        };
        watch.examine(Weight::Light).await;
        loop {
            watch.round().await;
        }
    };
    // Nothing that a test write begins is ever committed, and a migration may be repeated: both may be broken off.
    tokio::select! {
        () = watch => {}
        () = stop.cancelled() => {}
    }
}

struct Watch<'a> {
    site: &'a Site,
    examination: Examination,
    /// When the last examination ended.
    examined: Instant,
    is_suspicious: bool,
    is_away: bool,
}

impl Watch<'_> {
    /// Waits until something is due, and does it.
    async fn round(&mut self) {
        let readiness = &self.site.readiness;
        if self.is_away {
            sleep(ANXIOUS).await;
            self.examine(Weight::Light).await;
        } else {
            let suspicion = timeout(CALM, self.site.pool.suspicion()).await;
            self.is_suspicious |= suspicion.is_ok();
            let is_worried = self.is_suspicious || !readiness.is_ready();
            let (pause, weight) = if is_worried {
                (WORRIED, Weight::Heavy)
            } else {
                (ROUTINE, Weight::Light)
            };
            if !self.examination.answers(self.site).await || self.examined.elapsed() >= pause {
                self.examine(weight).await;
            }
        }
        self.site.pool.tend().await;
        readiness.tick();
    }

    async fn examine(&mut self, weight: Weight) {
        self.is_suspicious = false;
        let verdict = self.examination.examine(self.site, weight).await;
        self.examined = Instant::now();
        let found = match verdict {
            Verdict::Fit => None,
            Verdict::Obstructed(cause, reason) => Some((cause, reason)),
            Verdict::Unclear => return,
        };
        self.is_away = matches!(found, Some((Cause::Away, _)));
        self.site.readiness.examined(found);
    }
}
