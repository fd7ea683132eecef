//! Sends promised mails. Workers lease mails, so that any number of workers in any number of processes share the
//! outbox, and another worker takes over the mail of one that died. No transaction is open while a mail is being sent.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ConstantBuilder, Retryable};
use chrono::{DateTime, Utc};
use tokio::sync::{Notify, watch};

use super::failure::Failure;
use super::gate::Delivery;
use super::outbox::{self, AttemptEnd, Leased};
use super::{Sender, Smtp, Templates};
use crate::db::DatabaseError;
use crate::site::Site;
use crate::telemetry::Metrics;

/// Delay between attempts to record the outcome of a mail: if it were lost, the mail would be sent twice.
const RECORD_PAUSE: Duration = Duration::from_millis(500);

/// When a mail that was not sent is retried.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Delay after the first failure; doubled after each further one.
    pub first_retry: Duration,
    /// The longest delay.
    pub longest_retry: Duration,
    /// How long a mail is retried before it is given up.
    pub give_up: Duration,
    /// How long a sender's lease on a mail lasts.
    pub lease: Duration,
    /// Mails per second of this process; `None` for no limit.
    pub per_second: Option<NonZeroU32>,
}

impl Pace {
    /// Leaves time to record the attempt before the lease ends. The database stores whole seconds, so a lease may end
    /// up to a second early.
    pub(super) fn longest_attempt(&self) -> Duration {
        self.lease.saturating_sub(Duration::from_secs(1)) * 4 / 5
    }
}

/// Sends mails from the outbox.
pub struct Worker {
    /// The site whose users get mails.
    pub site: Arc<Site>,
    /// The mail server.
    pub smtp: Smtp,
    /// `[mail]` options.
    pub sender: Sender,
    /// The operator's templates.
    pub templates: Templates,
    /// Retries and rate limit.
    pub pace: Pace,
    /// Counts attempts and measures their time.
    pub metrics: Arc<Metrics>,
    /// Notified when a reset key was stored, which changes the user for WordPress; `None` while the relay is off.
    pub relay_bell: Option<Arc<Notify>>,
    /// Notified when a call has promised a mail.
    pub bell: Arc<Notify>,
    /// Hears whether mails leave.
    pub delivery: watch::Sender<Delivery>,
    /// Changes when an operator asks for a try at once.
    pub asked: watch::Receiver<u32>,
}

impl Worker {
    /// Gives up what has waited for too long, unless it leaves elsewhere.
    pub(super) async fn give_up(&self, failure: &Failure) -> Result<(), DatabaseError> {
        let site = &self.site;
        let now = site.clock.now();
        let (since, lately) = (now - self.pace.give_up, now - self.pace.longest_retry);
        let why = format!("given up without an attempt: {}", failure.words);
        let given_up = site.pool.work(async |connection| {
            outbox::give_up(connection, &site.statements, since, lately, &why, now).await
        });
        let mails = given_up.await?;
        if mails > 0 {
            tracing::error!(
                "{mails} welcome mails that waited for the mail server for too long are given up; \"fcom-sidecar outbox list --state dead\" lists them"
            );
        }
        Ok(())
    }

    /// Schedules a retry after a delay that doubles, with a jitter of up to a fifth; gives up when the time is up.
    pub(super) fn later(&self, mail: &Leased, why: String) -> AttemptEnd {
        let at =
            self.site.clock.now() + pause(self.pace, mail.attempts, rand::random_range(0.8..1.2));
        if self.is_over(mail, at) {
            let attempts = mail.attempts;
            return AttemptEnd::Dead(format!(
                "given up after {attempts} attempts; the last one: {why}"
            ));
        }
        AttemptEnd::Later(at, why)
    }

    /// Puts a mail back after a failure that is not its own; gives it up when the time is up.
    pub(super) fn back(&self, mail: &Leased, why: String) -> AttemptEnd {
        if self.is_over(mail, self.site.clock.now()) {
            return AttemptEnd::Dead(format!("given up: {why}"));
        }
        AttemptEnd::Back(why)
    }

    fn is_over(&self, mail: &Leased, at: DateTime<Utc>) -> bool {
        at > mail.tried_since.and_utc() + self.pace.give_up
    }

    /// Retries persistently: a mail that was sent but not recorded would be sent again once its lease has ended.
    pub(super) async fn record(
        &self,
        mail: &Leased,
        ended: &AttemptEnd,
        lease_end: Instant,
    ) -> Result<(), DatabaseError> {
        let site = &self.site;
        let record = || {
            let now = site.clock.now();
            site.pool.work(async move |connection| {
                outbox::finish(connection, &site.statements, mail, ended, now).await
            })
        };
        persist(record, RECORD_PAUSE, lease_end).await
    }
}

/// Repeats what fails until `lease_end`, and beyond that while the database is away: nobody else can take the mail then.
async fn persist<F: Future<Output = Result<(), DatabaseError>>>(
    work: impl FnMut() -> F,
    pause: Duration,
    lease_end: Instant,
) -> Result<(), DatabaseError> {
    let pauses = ConstantBuilder::default().with_delay(pause);
    let is_worth_another =
        |error: &DatabaseError| Instant::now() < lease_end || error.is_unavailable();
    let work = work.retry(pauses.without_max_times());
    work.when(is_worth_another).await
}

/// The delay after an attempt, in whole seconds, at least one.
fn pause(pace: Pace, attempts: u32, jitter: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    let pause = pace
        .first_retry
        .saturating_mul(1 << doublings)
        .min(pace.longest_retry);
    Duration::from_secs(pause.mul_f64(jitter).as_secs().max(1))
}

/// One line per mail. The server's reply may contain the address, so it stays in the outbox.
pub(super) fn report(mail: &Leased, ended: &AttemptEnd) {
    let (id, user, attempts) = (mail.id, mail.user_id, mail.attempts);
    match ended {
        AttemptEnd::Sent => tracing::info!(
            mail.id = id,
            user.id = user,
            attempts,
            "sent the welcome mail of user {user}"
        ),
        AttemptEnd::Skipped(why) => tracing::info!(
            mail.id = id,
            user.id = user,
            attempts,
            "skipped the welcome mail of user {user}: {why}"
        ),
        AttemptEnd::Later(at, _) => tracing::warn!(
            mail.id = id,
            user.id = user,
            attempts,
            "the welcome mail of user {user} waits until {at}; \"fcom-sidecar outbox show {id}\" tells why"
        ),
        AttemptEnd::Back(_) => tracing::debug!(
            mail.id = id,
            user.id = user,
            "the welcome mail of user {user} waits for the mail server"
        ),
        AttemptEnd::Dead(_) => tracing::error!(
            mail.id = id,
            user.id = user,
            attempts,
            "the welcome mail of user {user} is given up; \"fcom-sidecar outbox show {id}\" tells why"
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::ErrorKind;

    use super::*;
    use crate::db::Doing;

    /// Repeats what fails this often with this error; returns how often it was tried, and how it ended.
    async fn persists(
        failures: u32,
        error: fn() -> sqlx::Error,
        lease_end: Instant,
    ) -> (u32, Result<(), DatabaseError>) {
        let tries = Cell::new(0);
        let work = || {
            tries.set(tries.get() + 1);
            let result = if tries.get() > failures {
                Ok(())
            } else {
                Err(error())
            };
            async { result.doing("record an attempt at a mail") }
        };
        let ended = persist(work, Duration::from_micros(1), lease_end).await;
        (tries.get(), ended)
    }

    #[tokio::test]
    async fn a_mail_that_was_sent_is_recorded_however_long_the_database_is_away() {
        let away = || sqlx::Error::Io(ErrorKind::ConnectionRefused.into());
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_hours(1));
        for lease_end in [now, later] {
            let (tries, ended) = persists(400, away, lease_end).await;
            assert!(ended.is_ok());
            assert_eq!(tries, 401);
        }
        // Whatever else is wrong, others can take the mail when the lease has ended.
        let wrong = || sqlx::Error::RowNotFound;
        let (tries, ended) = persists(400, wrong, later).await;
        assert!(ended.is_ok() && tries == 401);
        let (tries, ended) = persists(400, wrong, now).await;
        assert!(ended.is_err() && tries == 1);
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pace = Pace {
            first_retry: Duration::from_secs(30),
            longest_retry: Duration::from_mins(30),
            give_up: Duration::from_hours(48),
            lease: Duration::from_mins(5),
            per_second: None,
        };
        for (attempts, seconds) in [(1, 30), (2, 60), (5, 480), (7, 1800), (4_000_000_000, 1800)] {
            assert_eq!(pause(pace, attempts, 1.0).as_secs(), seconds);
        }
        assert_eq!(pause(pace, 1, 0.8).as_secs(), 24);
        assert_eq!(
            pause(
                Pace {
                    first_retry: Duration::ZERO,
                    ..pace
                },
                1,
                1.0
            )
            .as_secs(),
            1
        );
    }
}
