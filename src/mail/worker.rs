//! Sends promised mails. Workers lease mails, so that any number of workers in any number of processes share the
//! outbox, and another worker takes over the mail of one that died. No transaction is open while a mail is being sent.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backon::{ConstantBuilder, Retryable};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use tracing::field::Empty;

use super::outbox::{self, AttemptEnd, Leased};
use super::{Header, Hello, Line, MailOptions, Sender, Smtp, Templates, Welcome, compose};
use crate::db::DatabaseError;
use crate::events::note_changed_user;
use crate::rate::Rate;
use crate::site::{Cause, Site};
use crate::telemetry::{self, Metrics, fail, phase};
use crate::wordpress::reset_key;
use crate::wordpress::sanitize::email::is_email;

/// How often the outbox is polled when no calls come in: for other instances' mails, and for retries.
const POLL: Duration = Duration::from_secs(2);
/// Delay between attempts to record the outcome of a mail: if it were lost, the mail would be sent twice.
const RECORD_PAUSE: Duration = Duration::from_millis(500);
const MOST_RECORD_TRIES: usize = 240;

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
    fn longest_attempt(&self) -> Duration {
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
}

impl Worker {
    /// Runs `tasks` senders until `stop` is cancelled; each finishes the mail it is working on.
    pub async fn run(self, tasks: u32, stop: CancellationToken) {
        let per_second = self.pace.per_second;
        let rate = per_second.map(|mails| Rate::new(mails, Duration::from_secs(1)));
        let (worker, rate) = (Arc::new(self), Arc::new(rate));
        let senders = tokio_util::task::TaskTracker::new();
        for _ in 0..tasks {
            let (worker, rate, stop) = (worker.clone(), rate.clone(), stop.clone());
            senders.spawn(async move {
                let rate = Option::as_ref(&rate);
                worker.send_while_there_is_some(rate, &stop).await;
            });
        }
        senders.close();
        senders.wait().await;
    }

    async fn send_while_there_is_some(&self, rate: Option<&Rate<()>>, stop: &CancellationToken) {
        let mut line = self.smtp.line();
        while !stop.is_cancelled() {
            // The users who are promised mails may be about to vanish.
            if self.site.readiness.has(Cause::Restored) {
                let _ = stop.run_until_cancelled(tokio::time::sleep(POLL)).await;
                continue;
            }
            if let Some(Err(wait)) = rate.map(|rate| rate.take((), Instant::now())) {
                let _ = stop.run_until_cancelled(tokio::time::sleep(wait)).await;
                continue;
            }
            match self.send_next(rate, &mut line).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::debug!("no mail for now: {}", telemetry::chain(&error)),
            }
            tokio::select! {
                () = self.bell.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                // Skip QUIT: a silent mail server would delay the shutdown.
                () = stop.cancelled() => break,
            }
            line.close_when_idle().await;
        }
    }

    /// Makes one attempt at the mail that has been due for longest. Returns whether there was one; if not, the rate
    /// limit's permit is given back.
    async fn send_next(
        &self,
        rate: Option<&Rate<()>>,
        line: &mut Line<'_>,
    ) -> Result<bool, DatabaseError> {
        let started = Instant::now();
        let now = self.site.clock.now();
        let (statements, until) = (&self.site.statements, now + self.pace.lease);
        let leased = self
            .site
            .pool
            .work(async |connection| outbox::lease(connection, statements, now, until).await);
        let leased = leased.await;
        if let (Some(rate), Ok(None) | Err(_)) = (rate, &leased) {
            rate.give_back(());
        }
        let Some(mail) = leased? else {
            return Ok(false);
        };
        let span = phase!(
            "internal",
            "welcome mail",
            "mail.id" = mail.id,
            "user.id" = mail.user_id,
            "mail.outcome" = Empty
        );
        let attempt = self.attempt(&mail, line, started).instrument(span.clone());
        let ended = match attempt.await {
            Ok(ended) => ended,
            Err(error) => self.later(&mail, telemetry::chain(&error)),
        };
        span.record("mail.outcome", ended.kind().word());
        if matches!(ended, AttemptEnd::Later(..) | AttemptEnd::Dead(_)) {
            fail(&span, ended.kind().word());
        }
        report(&mail, &ended);
        self.metrics.mail_attempted(ended.kind(), started.elapsed());
        self.record(&mail, &ended).await?;
        Ok(true)
    }

    /// `started` is no later than the time of the lease.
    async fn attempt(
        &self,
        mail: &Leased,
        line: &mut Line<'_>,
        started: Instant,
    ) -> Result<AttemptEnd, DatabaseError> {
        let (Some(login), Some(address)) = (&mail.user_login, &mail.user_email) else {
            return Ok(AttemptEnd::Skipped("the user was deleted".to_owned()));
        };
        if mail.is_same_user == Some(false) {
            let why = "the user was registered at another time than the mail was promised: the id is another person's by now";
            return Ok(AttemptEnd::Skipped(why.to_owned()));
        }
        // A user who may not reset their password gets no link to do it.
        if mail.is_spammer == Some(true) {
            return Ok(AttemptEnd::Skipped("the user is marked as spam".to_owned()));
        }
        if !is_email(address.as_bytes()) {
            return Ok(AttemptEnd::Skipped(
                "the user's address cannot receive mail".to_owned(),
            ));
        }
        let site = &self.site;
        let (statements, prefix) = (&site.statements, site.tables.prefix());
        let mut options = self
            .site
            .pool
            .work(async |connection| MailOptions::load(connection, statements, prefix).await)
            .await?;
        self.sender.overlay(&mut options);
        let from = match self.sender.from(&options) {
            Ok(from) => from,
            Err(why) => return Ok(self.later(mail, why)),
        };
        let Some(version) = site.version.version(&options.site) else {
            let why = "the WordPress version is unknown: set wordpress.version";
            return Ok(self.later(mail, why.to_owned()));
        };
        let key = reset_key::generate();
        let welcome = Welcome {
            version,
            options: &options,
            login,
            display_name: mail.display_name.as_deref().unwrap_or_default(),
            locale: mail.locale.as_deref().filter(|locale| !locale.is_empty()),
            key: &key,
            https: mail.https || self.sender.https_links,
        };
        let text = match compose(&welcome, &site.catalogues, &self.templates) {
            Ok(text) => text,
            Err(error) => return Ok(self.later(mail, format!("the template failed: {error}"))),
        };
        let stored = match reset_key::stored(&key, version, self.site.clock.now()) {
            Ok(stored) => stored,
            Err(error) => return Ok(self.later(mail, error.to_string())),
        };
        self.site
            .pool
            .work(async |connection| {
                reset_key::store(connection, statements, mail.user_id, &stored).await?;
                if self.relay_bell.is_some() {
                    note_changed_user(connection, statements, mail.user_id).await?;
                }
                Ok::<_, DatabaseError>(())
            })
            .await?;
        // Otherwise a copy of the user in an object cache would lack the key of the mail's link.
        if let Some(bell) = &self.relay_bell {
            bell.notify_one();
        }
        let domain = from.0.rsplit('@').next().unwrap_or("localhost");
        let created = mail.created_at.and_utc().timestamp();
        let header = Header {
            from: (&from.0, &from.1),
            to: address,
            reply_to: self.sender.reply_to.as_deref(),
            envelope_from: self.sender.envelope_from.as_deref().unwrap_or(&from.0),
            message_id: &format!("welcome.{}.{}.{created}@{domain}", mail.id, mail.user_id),
        };
        let longest = self
            .pace
            .longest_attempt()
            .saturating_sub(started.elapsed());
        let hello = Hello::of_site(&options);
        let sent = line.send(&hello, &header, &text, longest);
        Ok(match sent.instrument(phase!("client", "SMTP")).await {
            Ok(()) => AttemptEnd::Sent,
            Err(failure) if failure.is_permanent => AttemptEnd::Dead(failure.words),
            Err(failure) => self.later(mail, failure.words),
        })
    }

    /// Schedules a retry after a delay that doubles, with a jitter of up to a fifth; gives up when the time is up.
    fn later(&self, mail: &Leased, why: String) -> AttemptEnd {
        let now = self.site.clock.now();
        let give_up = mail.tried_since.and_utc() + self.pace.give_up;
        let at = now + pause(self.pace, mail.attempts, rand::random_range(0.8..1.2));
        if at > give_up {
            AttemptEnd::Dead(format!(
                "given up after {} attempts; the last one: {why}",
                mail.attempts
            ))
        } else {
            AttemptEnd::Later(at, why)
        }
    }

    /// Retries persistently: a mail that was sent but not recorded would be sent again.
    async fn record(&self, mail: &Leased, ended: &AttemptEnd) -> Result<(), DatabaseError> {
        let site = &self.site;
        let record = || {
            let now = site.clock.now();
            site.pool.work(async move |connection| {
                outbox::finish(connection, &site.statements, mail, ended, now).await
            })
        };
        let pauses = ConstantBuilder::default()
            .with_delay(RECORD_PAUSE)
            .with_max_times(MOST_RECORD_TRIES);
        record.retry(pauses).await
    }
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
fn report(mail: &Leased, ended: &AttemptEnd) {
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
    use super::*;

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
