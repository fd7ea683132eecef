//! Whether others call while a list is imported.

use std::time::{Duration, Instant};

use crate::db::{DatabaseError, Doing};
use crate::provision::WebhookCall;
use crate::site::Site;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// How long a call is heeded.
const HEEDED: Duration = Duration::from_secs(3);

/// What the record of runs tells of calls that are not the import's own, on whichever instance.
pub(super) struct Others {
    mark: Mark,
    newest_run: Option<u64>,
    looked: Option<Instant>,
    heard: Option<Instant>,
}

/// How the ids of an import's calls begin.
#[derive(Clone, Copy)]
pub(super) struct Mark([u8; 8]);

impl Mark {
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// The rest of the id stays as random as it was.
    pub(super) fn put_on(self, call: &mut WebhookCall) {
        call.id[..self.0.len()].copy_from_slice(&self.0);
    }
}

impl Others {
    pub(super) fn than(mark: Mark) -> Self {
        Self {
            mark,
            newest_run: None,
            looked: None,
            heard: None,
        }
    }

    /// Whether somebody else's call was executed within the last seconds. Looks a few times a second, whenever it is asked.
    pub(super) async fn call(&mut self, site: &Site) -> bool {
        if self.looked.is_none_or(|looked| looked.elapsed() > LOOK) {
            // What fails tells nothing: the lines meet what is in the way.
            if let Ok(true) = self.look(site).await {
                self.heard = Some(Instant::now());
            }
            self.looked = Some(Instant::now());
        }
        self.heard.is_some_and(|heard| heard.elapsed() < HEEDED)
    }

    async fn look(&mut self, site: &Site) -> Result<bool, DatabaseError> {
        const DOING: &str = "look whether others call";
        let (statements, mark) = (&site.statements, &self.mark.0[..]);
        let Some(before) = self.newest_run else {
            let newest = site.pool.work(async |connection| {
                let newest = sqlx::query_scalar(statements.newest_run.sql());
                newest.fetch_one(connection).await.doing(DOING)
            });
            let newest: Option<u64> = newest.await?;
            self.newest_run = Some(newest.unwrap_or_default());
            return Ok(false);
        };
        let since = site.pool.work(async |connection| {
            let since = sqlx::query_as(statements.runs_of_others.sql());
            let since = since.bind(mark).bind(before);
            since.fetch_one(connection).await.doing(DOING)
        });
        let (newest, of_others): (Option<u64>, i64) = since.await?;
        self.newest_run = newest.or(self.newest_run);
        Ok(of_others > 0)
    }
}
