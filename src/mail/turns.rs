//! One sender's turns: a mail is taken only when there is a connection on which it can leave, so that an instance that cannot send
//! leaves mails to others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::Line;
use super::attempt::Stationery;
use super::failure::{Failure, FailureKind, Refusal};
use super::gate::{Gate, Turn};
use super::in_a_row::{InARow, UNCONFIRMED};
use super::outbox::{self, AttemptEnd, Leased};
use super::worker::{Worker, report};
use crate::db::DatabaseError;
use crate::outcome::MailAttempt;
use crate::rate::Rate;
use crate::site::Cause;
use crate::telemetry::{self, fail, phase};

/// How often the outbox is polled when no calls come in: for other instances' mails, and for retries.
const POLL: Duration = Duration::from_secs(2);

/// One sender.
struct Turns<'a> {
    number: u32,
    worker: &'a Worker,
    gate: &'a Gate,
    rate: Option<&'a Rate<()>>,
    line: Line<'a>,
}

impl Worker {
    /// Runs `tasks` senders until `stop` is cancelled; each finishes the mail it is working on.
    ///
    /// # Panics
    /// If one of them did, because nobody would send in its place.
    pub async fn run(self, tasks: u32, stop: CancellationToken) {
        let per_second = self.pace.per_second;
        let rate = per_second.map(|mails| Rate::new(mails, Duration::from_secs(1)));
        let delivery = self.delivery.clone();
        let gate = Gate::new(self.pace.longest_retry, delivery, stop.clone());
        let mut asking = self.asked.clone();
        let shared = Arc::new((self, gate, rate));
        let mut senders = JoinSet::new();
        let (asked, stopped) = (Arc::clone(&shared), stop.clone());
        senders.spawn(async move {
            let try_again = async {
                // Ends with the process.
                while asking.changed().await.is_ok() {
                    asked.1.try_now(Instant::now());
                }
            };
            let _ = stopped.run_until_cancelled(try_again).await;
        });
        for number in 0..tasks {
            let (shared, stop) = (Arc::clone(&shared), stop.clone());
            senders.spawn(async move {
                let (worker, gate, rate) = &*shared;
                let turns = Turns {
                    number,
                    worker,
                    gate,
                    rate: rate.as_ref(),
                    line: worker.smtp.line(),
                };
                turns.take_all(&stop).await;
            });
        }
        while let Some(ended) = senders.join_next().await {
            ended.expect("senders do not panic");
        }
    }
}

impl Turns<'_> {
    async fn take_all(mut self, stop: &CancellationToken) {
        let worker = self.worker;
        while !stop.is_cancelled() {
            // The users who are promised mails may be about to vanish.
            if worker.site.readiness.has(Cause::Restored) {
                let _ = stop.run_until_cancelled(tokio::time::sleep(POLL)).await;
                continue;
            }
            if let Some(Err(wait)) = self.rate.map(|rate| rate.check(&(), Instant::now())) {
                let _ = stop.run_until_cancelled(tokio::time::sleep(wait)).await;
                continue;
            }
            let mut opened = self.gate.opened();
            if let Err(wait) = self.gate.admit(self.number, Instant::now()) {
                tokio::select! {
                    // Cannot fail: the gate outlives its senders.
                    _ = opened.changed() => {}
                    () = tokio::time::sleep(wait) => {}
                    () = stop.cancelled() => break,
                }
                continue;
            }
            let turn = self.turn(stop).await;
            let turn = turn.unwrap_or_else(|error| {
                tracing::debug!("no mail for now: {}", telemetry::chain(&error));
                Turn::Idle
            });
            let is_idle = matches!(turn, Turn::Idle);
            self.end(turn).await;
            if !is_idle {
                continue;
            }
            tokio::select! {
                () = worker.bell.notified() => {}
                () = tokio::time::sleep(POLL) => {}
                // Skip QUIT: a silent mail server would delay the shutdown.
                () = stop.cancelled() => break,
            }
            self.line.close_when_idle().await;
            if !self.line.is_open() {
                self.gate.disconnected(self.number);
            }
        }
    }

    async fn end(&mut self, turn: Turn) {
        let (worker, now) = (self.worker, Instant::now());
        let failure = match &turn {
            Turn::Failed(failure) => Some(failure.clone()),
            _ => None,
        };
        let today = worker.site.clock.now();
        let lasted = self.gate.end(self.number, turn, now, today);
        if let Some(failure) = failure.filter(|_| lasted >= worker.pace.longest_retry)
            && let Err(error) = worker.give_up(&failure).await
        {
            tracing::debug!("nothing is given up for now: {}", telemetry::chain(&error));
        }
    }

    /// Makes one attempt at the mail that has been due for longest, if there is one and a connection for it.
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Turn, DatabaseError> {
        let worker = self.worker;
        let site = &worker.site;
        let (statements, now) = (&site.statements, site.clock.now());
        let due = site
            .pool
            .work(async |connection| outbox::is_due(connection, statements, now).await);
        if !due.await? {
            return Ok(Turn::Idle);
        }
        let stationery = match worker.stationery().await? {
            Ok(stationery) => stationery,
            Err(failure) => return Ok(Turn::Failed(failure)),
        };
        let started = Instant::now();
        let span = if self.line.is_open() {
            Span::none()
        } else {
            phase!("client", "SMTP")
        };
        let ready = Box::pin(self.line.ready(&stationery.hello));
        let ready = ready.instrument(span.clone());
        // No mail is in hand yet: nothing is lost by leaving a server that does not answer.
        let ready = stop.run_until_cancelled(ready).await;
        let Some(ready) = ready.filter(|_| !stop.is_cancelled()) else {
            return Ok(Turn::Idle);
        };
        if let Err(failure) = ready {
            fail(&span, MailAttempt::Later.word());
            let took = started.elapsed();
            worker.metrics.mail_attempted(MailAttempt::Later, took);
            return Ok(Turn::Failed(failure));
        }
        if self
            .rate
            .is_some_and(|rate| rate.take((), Instant::now()).is_err())
        {
            // Another sender was faster.
            return Ok(Turn::Served);
        }
        let (started, now) = (Instant::now(), site.clock.now());
        let until = now + worker.pace.lease;
        let is_newest_first = self.gate.tries_newest(self.number);
        let leased = site.pool.work(async |connection| {
            outbox::lease(connection, statements, is_newest_first, now, until).await
        });
        let leased = leased.await;
        if let (Some(rate), Ok(None) | Err(_)) = (self.rate, &leased) {
            rate.give_back(());
        }
        let Some(mail) = leased? else {
            return Ok(Turn::Idle);
        };
        let span = phase!(
            "internal",
            "welcome mail",
            "mail.id" = mail.id,
            "user.id" = mail.user_id,
            "mail.outcome" = Empty
        );
        let attempt = self.attempt(&mail, &stationery, started);
        let (ended, failure) = attempt.instrument(span.clone()).await;
        span.record("mail.outcome", ended.kind().word());
        if matches!(
            ended,
            AttemptEnd::Later(..) | AttemptEnd::Back(_) | AttemptEnd::Dead(_)
        ) {
            fail(&span, ended.kind().word());
        }
        report(&mail, &ended);
        let took = started.elapsed();
        worker.metrics.mail_attempted(ended.kind(), took);
        // At once: what the server says of another mail meanwhile comes after it.
        if matches!(ended, AttemptEnd::Sent) {
            self.gate.in_a_row(|seen| seen.took(mail.id));
        }
        let lease_end = started + worker.pace.lease;
        worker.record(&mail, &ended, lease_end).await?;
        let is_over = matches!(ended, AttemptEnd::Dead(_));
        if is_over {
            self.gate.in_a_row(InARow::gave_up);
        }
        if let Some(failure) = self.conclude(&mail, failure, is_over).await? {
            return Ok(Turn::Failed(failure));
        }
        // A mail that was not taken does not show that others will be.
        Ok(if self.gate.in_a_row(|seen| seen.is_none_taken()) {
            Turn::Idle
        } else {
            Turn::Served
        })
    }

    /// Also returns the server's failure, whoever is at fault.
    async fn attempt(
        &mut self,
        mail: &Leased,
        stationery: &Stationery,
        started: Instant,
    ) -> (AttemptEnd, Option<Failure>) {
        let worker = self.worker;
        let attempt = worker.attempt(mail, stationery, &mut self.line, started);
        let mut failure = match attempt.await {
            Ok(Ok(ended)) => return (ended, None),
            Ok(Err(failure)) => failure,
            Err(error) => return (worker.later(mail, telemetry::chain(&error)), None),
        };
        let is_lost = failure.kind == FailureKind::Lost;
        let is_unconfirmed = is_lost
            && self
                .gate
                .in_a_row(|seen| seen.is_unconfirmed_for_good(mail.id));
        self.gate.in_a_row(|seen| match failure.kind {
            FailureKind::NotNow if seen.is_throttled(mail.id) => failure.kind = FailureKind::Busy,
            FailureKind::Never(Some(reply)) if seen.is_refused_as_others(mail.id, reply) => {
                failure.kind = FailureKind::Refused(Refusal::Everybody);
            }
            _ => {}
        });
        let words = failure.words.clone();
        let is_forgiven = |reply| self.gate.in_a_row(|seen| seen.is_forgiven(mail.id, reply));
        let ended = match failure.kind {
            FailureKind::Never(Some(reply)) if is_forgiven(reply) => worker.later(mail, words),
            FailureKind::Never(_) => AttemptEnd::Dead(words),
            FailureKind::Lost if is_unconfirmed => AttemptEnd::Dead(format!(
                "given up, as it may have arrived: {UNCONFIRMED} times the mail server got it and did not confirm it; the last time: {words}"
            )),
            FailureKind::NotNow | FailureKind::Recipient | FailureKind::Lost => {
                worker.later(mail, words)
            }
            _ => worker.back(mail, words),
        };
        (ended, Some(failure))
    }

    /// What a failed attempt, which is on record, means for the sender: the failure, if it is the server's. Attempts that turn out not to
    /// count are taken back. `is_over`: the mail was given up.
    async fn conclude(
        &mut self,
        mail: &Leased,
        failure: Option<Failure>,
        is_over: bool,
    ) -> Result<Option<Failure>, DatabaseError> {
        let Some(mut failure) = failure else {
            return Ok(None);
        };
        let everybody = FailureKind::Refused(Refusal::Everybody);
        let wronged = self.gate.in_a_row(|seen| match failure.kind {
            // Its time is up, whoever is at fault.
            FailureKind::NotNow | FailureKind::Busy if is_over => vec![],
            // Two mails in a row are the server's matter.
            FailureKind::NotNow => seen.put_off(mail.id).map_or(vec![], |other| {
                failure.kind = FailureKind::Busy;
                vec![other, mail.id]
            }),
            FailureKind::Busy => seen.put_off(mail.id).into_iter().collect(),
            // So are two that it does not confirm; but each of these may have arrived, so its attempt counts.
            FailureKind::Lost if seen.unconfirmed(mail.id) => {
                failure.kind = FailureKind::Unconfirmed;
                vec![]
            }
            FailureKind::Never(Some(reply)) => {
                let wronged = seen.refused(mail.id, reply);
                if !wronged.is_empty() {
                    failure.kind = everybody;
                }
                wronged
            }
            kind if kind == everybody => seen.refuses_everybody(),
            _ => vec![],
        });
        if failure.kind == everybody && !wronged.is_empty() {
            let mails = wronged.len();
            tracing::info!("{mails} welcome mails that were given up wait again: {everybody}");
        }
        let site = &self.worker.site;
        let statements = &site.statements;
        for id in wronged {
            let now = site.clock.now();
            site.pool
                .work(async |connection| outbox::forgive(connection, statements, id, now).await)
                .await?;
        }
        Ok(Some(failure).filter(|failure| failure.kind.is_servers()))
    }
}
