//! What pages read and change in the database.

use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::answer::Trouble;
use super::visit::Visit;
use super::wp_admin::Frame;
use crate::db::{Connection, DatabaseError};
use crate::operations::record::{Record, RecordError};
use crate::provision::take_nonce;
use crate::site::{Cause, Site};

/// Work on a connection of the database.
type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, DatabaseError>> + Send + 'a>>;

/// Work that leaves its result elsewhere, so that what carries it out is compiled once.
type Errand = Box<dyn for<'a> FnOnce(&'a mut Connection, &'a Site) -> Work<'a, ()> + Send>;

/// The work as an errand, and where its result arrives.
fn errand<T: Send + 'static>(
    work: impl for<'a> FnOnce(&'a mut Connection, &'a Site) -> Work<'a, T> + Send + 'static,
) -> (Errand, oneshot::Receiver<T>) {
    let (give, given) = oneshot::channel();
    let errand = boxed(move |connection, site| {
        Box::pin(async move {
            // Nobody waits for it any more if the browser has gone.
            let _ = give.send(work(connection, site).await?);
            Ok(())
        })
    });
    (errand, given)
}

fn boxed(
    work: impl for<'a> FnOnce(&'a mut Connection, &'a Site) -> Work<'a, ()> + Send + 'static,
) -> Errand {
    Box::new(work)
}

async fn run(site: Arc<Site>, errand: Errand) -> Result<(), DatabaseError> {
    site.pool
        .work(async |connection| errand(connection, &site).await)
        .await
}

impl Visit {
    /// The database is to be asked.
    ///
    /// # Errors
    /// It is known to be away: nobody should wait for it in vain.
    pub(super) fn database(&self) -> Result<(), Trouble> {
        if self.front.site.readiness.has(Cause::Away) {
            return Err(Trouble::Database(None));
        }
        Ok(())
    }

    /// Carries out work of the database there, where its connections belong.
    pub(super) async fn on_main_runtime<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, DatabaseError>> + Send + 'static,
    ) -> Result<T, Trouble> {
        let done = self.front.on_main_runtime(work).await;
        Ok(done.ok_or(Trouble::Aborted)??)
    }

    /// Reads something on one connection.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl for<'a> FnOnce(&'a mut Connection, &'a Site) -> Work<'a, T> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (errand, read) = errand(read);
        self.on_main_runtime(run(Arc::clone(&self.front.site), errand))
            .await?;
        read.await.map_err(|_| Trouble::Aborted)
    }

    /// Changes something on one connection, to the end: the process does not exit before.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        write: impl for<'a> FnOnce(&'a mut Connection, &'a Site) -> Work<'a, T> + Send + 'static,
    ) -> Result<T, Trouble> {
        let (errand, written) = errand(write);
        let run = run(Arc::clone(&self.front.site), errand);
        self.on_main_runtime(self.front.tasks.track_future(run))
            .await?;
        written.await.map_err(|_| Trouble::Aborted)
    }

    /// A page of a record; the inner error is the query's.
    pub(super) async fn page<R: Record>(
        &self,
        query: R::Query,
    ) -> Result<Result<R::Page, RecordError>, Trouble>
    where
        R::Query: Send + Sync + 'static,
        R::Page: Send + 'static,
    {
        self.read(move |connection, site| {
            Box::pin(async move {
                match R::list(connection, &site.statements, &query).await {
                    Err(RecordError::Database(error)) => Err(error),
                    answer => Ok(answer),
                }
            })
        })
        .await
    }

    /// Something is to be changed.
    ///
    /// # Errors
    /// Nothing can be changed now.
    pub(super) fn change(&self) -> Result<(), Trouble> {
        if self.front.draining.is_cancelled() || !self.front.site.readiness.is_ready() {
            return Err(Trouble::Database(None));
        }
        Ok(())
    }

    /// A change that was signed in wp-admin counts once, whichever process gets it: not after a restart either, nor at another instance.
    ///
    /// # Errors
    /// It has come before.
    pub(super) async fn once(&self) -> Result<(), Trouble> {
        let Some(Frame { nonce, .. }) = self.frame else {
            return Ok(());
        };
        self.database()?;
        let site = Arc::clone(&self.front.site);
        let taking = async move { take_nonce(&site, nonce).await };
        if self.on_main_runtime(taking).await? {
            return Ok(());
        }
        let operator = self.session.operator();
        tracing::warn!(%operator, "a change of {} was sent again, and refused", self.session.who());
        Err(Trouble::Expired)
    }
}
