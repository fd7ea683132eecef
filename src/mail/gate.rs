//! The pauses of all senders of a process. A failure that is not one mail's pauses them together: one of them tries again after a
//! growing pause, without a mail being counted for it, and when it succeeds all go on.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::failure::{Failure, FailureKind, Refusal};
use super::in_a_row::InARow;

/// The first pause; it doubles after each further try, so that nobody waits for longer than the trouble has lasted.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause where the trouble may pass by itself.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// The longest pause where it will not, or where each try costs something: for repeated logins, servers lock accounts.
const LONGEST_PAUSE_IF_REFUSED: Duration = Duration::from_mins(5);
/// A server that throttles does so again and again; the log says it this often at most.
const BUSY_AGAIN: Duration = Duration::from_mins(15);

/// Why no mail leaves at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// When it began.
    pub since: DateTime<Utc>,
    /// What the latest try met.
    pub failure: Failure,
}

/// Whether mails leave through this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// It sends none.
    #[default]
    Off,
    /// As far as is known.
    On,
    /// They wait.
    Stuck(Trouble),
}

/// Lets senders have their turns.
pub(super) struct Gate {
    longest_pause: Duration,
    state: Mutex<State>,
    /// Changes when a pause ends early.
    opened: watch::Sender<()>,
    delivery: watch::Sender<Delivery>,
    /// Cancelled when others send in their place: what these meet from then on says nothing.
    stop: CancellationToken,
}

#[derive(Default)]
struct State {
    /// Senders with a connection.
    connected: HashSet<u32>,
    /// Senders who get no connection while others have one, as where a server allows few: their tries, and the next.
    alone: HashMap<u32, (u32, Instant)>,
    /// Of all senders.
    pause: Option<Pause>,
    in_a_row: InARow,
    /// When the log last said that the server throttles.
    told_busy: Option<Instant>,
}

struct Pause {
    began: Instant,
    kind: FailureKind,
    tries: u32,
    until: Instant,
    /// The sender who is trying.
    trying: Option<u32>,
    /// What the log has said.
    told: Option<FailureKind>,
}

/// What became of a sender's turn.
pub(super) enum Turn {
    /// Nothing was tried.
    Idle,
    /// The server was there for it.
    Served,
    /// A failure that concerns every mail.
    Failed(Failure),
}

impl Gate {
    /// `longest_pause` limits all pauses; `delivery` hears whether mails leave, until `stop` is cancelled.
    pub(super) fn new(
        longest_pause: Duration,
        delivery: watch::Sender<Delivery>,
        stop: CancellationToken,
    ) -> Self {
        let gate = Self {
            longest_pause,
            state: Mutex::default(),
            opened: watch::Sender::new(()),
            delivery,
            stop,
        };
        gate.deliver(Delivery::On);
        gate
    }

    /// Hears when a pause ends early. To be asked for before [`admit`](Self::admit).
    pub(super) fn opened(&self) -> watch::Receiver<()> {
        self.opened.subscribe()
    }

    /// Lets a sender have a turn, which has to be [ended](Self::end).
    ///
    /// # Errors
    /// The time to wait.
    pub(super) fn admit(&self, sender: u32, now: Instant) -> Result<(), Duration> {
        let mut state = self.lock();
        let until = state.alone.get(&sender).map_or(now, |&(_, until)| until);
        if now < until {
            return Err(until - now);
        }
        let Some(pause) = &mut state.pause else {
            return Ok(());
        };
        if now < pause.until {
            return Err(pause.until - now);
        }
        if pause.trying.is_some() {
            return Err(FIRST_PAUSE);
        }
        pause.trying = Some(sender);
        Ok(())
    }

    /// Whether this sender tries with the newest mail: while a server takes none, every second try does, so that those that it
    /// will not take hold up nobody who comes after them.
    pub(super) fn tries_newest(&self, sender: u32) -> bool {
        let state = self.lock();
        state.pause.as_ref().is_some_and(|pause| {
            pause.trying == Some(sender) && is_seen_with_mails(pause.kind) && pause.tries % 2 == 1
        })
    }

    /// Ends a sender's turn. Returns for how long no mail could leave.
    pub(super) fn end(
        &self,
        sender: u32,
        turn: Turn,
        now: Instant,
        today: DateTime<Utc>,
    ) -> Duration {
        if self.stop.is_cancelled() {
            return Duration::ZERO;
        }
        let mut state = self.lock();
        let trying = state.pause.as_mut().map(|pause| &mut pause.trying);
        let is_try = trying.is_some_and(|trying| trying.take_if(|it| *it == sender).is_some());
        match turn {
            Turn::Idle => {}
            Turn::Served => {
                state.connected.insert(sender);
                state.alone.remove(&sender);
                // One mail that a server took before it began to throttle, or to refuse everybody, proves nothing.
                let is_over = |pause: &mut Pause| is_try || !is_seen_with_mails(pause.kind);
                if let Some(pause) = state.pause.take_if(is_over) {
                    state.alone.clear();
                    self.opened.send_replace(());
                    tell_end(&pause, now);
                }
                if state.pause.is_none() {
                    self.deliver(Delivery::On);
                }
            }
            Turn::Failed(failure) => {
                state.connected.remove(&sender);
                let is_of_all =
                    is_seen_with_mails(failure.kind) || is_try || state.connected.is_empty();
                if is_of_all {
                    self.shut(&mut state, is_try, failure, now, today);
                } else {
                    let (tries, until) = state.alone.entry(sender).or_insert((0, now));
                    *tries += 1;
                    *until = now + self.pause(*tries, failure.kind);
                }
            }
        }
        let pause = state.pause.as_ref();
        pause.map_or(Duration::ZERO, |pause| now - pause.began)
    }

    /// A sender has closed its connection.
    pub(super) fn disconnected(&self, sender: u32) {
        self.lock().connected.remove(&sender);
    }

    /// What the server has said of one mail after another.
    pub(super) fn in_a_row<T>(&self, look: impl FnOnce(&mut InARow) -> T) -> T {
        look(&mut self.lock().in_a_row)
    }

    /// Ends all pauses: an operator has asked for a try.
    pub(super) fn try_now(&self, now: Instant) {
        let mut state = self.lock();
        state.alone.clear();
        if let Some(pause) = &mut state.pause {
            pause.until = now;
        }
        self.opened.send_replace(());
    }

    fn shut(
        &self,
        state: &mut State,
        is_try: bool,
        failure: Failure,
        now: Instant,
        today: DateTime<Utc>,
    ) {
        let pause = match &mut state.pause {
            // Begun before the pause, by another sender.
            Some(_) if !is_try => return,
            Some(pause) => pause,
            none => none.insert(Pause {
                began: now,
                kind: failure.kind,
                tries: 0,
                until: now,
                trying: None,
                told: None,
            }),
        };
        pause.kind = failure.kind;
        pause.tries += 1;
        pause.until = now + self.pause(pause.tries, failure.kind);
        tell(pause, &mut state.told_busy, now);
        let since = match &*self.delivery.borrow() {
            Delivery::Stuck(trouble) => trouble.since,
            _ => today,
        };
        self.deliver(Delivery::Stuck(Trouble { since, failure }));
    }

    fn deliver(&self, delivery: Delivery) {
        self.delivery.send_if_modified(|told| {
            // Whoever sends in their place may have said something in between.
            let is_new = *told != delivery && !self.stop.is_cancelled();
            if is_new {
                *told = delivery;
            }
            is_new
        });
    }

    fn pause(&self, tries: u32, kind: FailureKind) -> Duration {
        let longest = match kind {
            // Each try is with another mail.
            FailureKind::Refused(Refusal::Everybody) => LONGEST_PAUSE,
            // Each try may be a mail that arrives, or one of the few attempts that a mail has.
            FailureKind::Refused(_) | FailureKind::Unconfirmed => LONGEST_PAUSE_IF_REFUSED,
            _ => LONGEST_PAUSE,
        };
        let doubled = FIRST_PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(20));
        doubled.min(longest).min(self.longest_pause)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a connection alone does not show that it is over.
fn is_seen_with_mails(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Busy | FailureKind::Unconfirmed | FailureKind::Refused(Refusal::Everybody)
    )
}

/// One line for a trouble that does not end at once. Without the server's words, which belong into no log.
fn tell(pause: &mut Pause, told_busy: &mut Option<Instant>, now: Instant) {
    let kind = pause.kind;
    if pause.told == Some(kind) {
        return;
    }
    match kind {
        FailureKind::Refused(refusal) => tracing::error!(
            "no mail leaves: {kind}, and that does not change by itself; \"fcom-sidecar outbox list\" has the words. Remedy: {}",
            refusal.remedy()
        ),
        _ if pause.tries < 2 => return,
        FailureKind::Unconfirmed => tracing::warn!(
            "no mail leaves for now: {kind}; \"fcom-sidecar outbox list\" has the words. Each may have arrived, and has three attempts"
        ),
        FailureKind::Busy if told_busy.is_some_and(|told| now - told < BUSY_AGAIN) => return,
        _ => tracing::warn!(
            "no mail leaves for now: {kind}; \"fcom-sidecar outbox list\" has the words. Mails wait, and leave when a try succeeds"
        ),
    }
    if kind == FailureKind::Busy {
        *told_busy = Some(now);
    }
    pause.told = Some(kind);
}

fn tell_end(pause: &Pause, now: Instant) {
    if pause.told.is_some() {
        let (seconds, tries) = ((now - pause.began).as_secs(), pause.tries);
        tracing::info!("mails leave again, after {seconds} s and {tries} tries");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(kind: FailureKind) -> Turn {
        let words = "words".to_owned();
        Turn::Failed(Failure { words, kind })
    }

    fn gate() -> (Gate, watch::Receiver<Delivery>) {
        let (sender, receiver) = watch::channel(Delivery::Off);
        let stop = CancellationToken::new();
        (Gate::new(Duration::from_mins(30), sender, stop), receiver)
    }

    #[test]
    fn one_sender_tries_for_all_after_growing_pauses() {
        let (gate, delivery) = gate();
        let (mut now, today) = (Instant::now(), DateTime::UNIX_EPOCH);
        let end = |sender, turn, now| gate.end(sender, turn, now, today);
        assert_eq!((gate.admit(1, now), gate.admit(2, now)), (Ok(()), Ok(())));
        end(1, failed(FailureKind::Unavailable), now);
        // Began before, and changes nothing.
        end(2, failed(FailureKind::Unavailable), now);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let pause = Duration::from_secs(seconds);
            assert_eq!(gate.admit(2, now), Err(pause));
            now += pause;
            assert_eq!(gate.admit(2, now), Ok(()));
            assert!(gate.admit(1, now).is_err());
            end(2, failed(FailureKind::Unavailable), now);
        }
        assert!(matches!(&*delivery.borrow(), Delivery::Stuck(trouble) if trouble.since == today));
        now += LONGEST_PAUSE;
        let opened = gate.opened();
        assert_eq!(gate.admit(1, now), Ok(()));
        // Nothing to try with: the next one may.
        let lasted = end(1, Turn::Idle, now);
        assert_eq!(lasted, Duration::from_secs(243));
        assert_eq!(gate.admit(1, now), Ok(()));
        assert_eq!(end(1, Turn::Served, now), Duration::ZERO);
        assert!(opened.has_changed().unwrap());
        assert_eq!(*delivery.borrow(), Delivery::On);
        assert_eq!((gate.admit(1, now), gate.admit(2, now)), (Ok(()), Ok(())));
    }

    #[test]
    fn a_refusal_pauses_longer() {
        let (gate, _delivery) = gate();
        let login = FailureKind::Refused(Refusal::Login);
        assert_eq!(gate.pause(9, login), Duration::from_secs(256));
        assert_eq!(gate.pause(40, login), LONGEST_PAUSE_IF_REFUSED);
    }

    #[test]
    fn a_sender_without_a_connection_pauses_alone_while_others_have_one() {
        let (gate, delivery) = gate();
        let (now, today) = (Instant::now(), DateTime::UNIX_EPOCH);
        gate.end(1, Turn::Served, now, today);
        for seconds in [1, 2, 4] {
            gate.end(2, failed(FailureKind::Unavailable), now, today);
            assert_eq!(gate.admit(2, now), Err(Duration::from_secs(seconds)));
            assert_eq!(gate.admit(1, now), Ok(()));
        }
        assert_eq!(*delivery.borrow(), Delivery::On);
        gate.disconnected(1);
        gate.end(2, failed(FailureKind::Unavailable), now, today);
        assert!(gate.admit(1, now).is_err());
    }

    #[test]
    fn an_operator_ends_a_pause() {
        let (gate, _delivery) = gate();
        let (now, today) = (Instant::now(), DateTime::UNIX_EPOCH);
        gate.end(1, failed(FailureKind::Unavailable), now, today);
        let opened = gate.opened();
        assert!(gate.admit(1, now).is_err());
        gate.try_now(now);
        assert!(opened.has_changed().unwrap());
        assert_eq!(gate.admit(1, now), Ok(()));
        // One sender tries, and the next pause is longer.
        assert!(gate.admit(2, now).is_err());
        gate.end(1, failed(FailureKind::Unavailable), now, today);
        assert_eq!(gate.admit(1, now), Err(2 * FIRST_PAUSE));
    }

    #[test]
    fn a_server_that_refuses_everybody_is_there_only_once_it_takes_a_mail() {
        let (gate, delivery) = gate();
        let (mut now, today) = (Instant::now(), DateTime::UNIX_EPOCH);
        let everybody = FailureKind::Refused(Refusal::Everybody);
        // Whoever else has a connection.
        gate.end(2, Turn::Served, now, today);
        gate.end(1, failed(everybody), now, today);
        gate.end(2, Turn::Served, now, today);
        assert!(matches!(&*delivery.borrow(), Delivery::Stuck(_)));
        now += FIRST_PAUSE;
        assert_eq!(gate.admit(2, now), Ok(()));
        gate.end(2, Turn::Served, now, today);
        assert_eq!(*delivery.borrow(), Delivery::On);
        assert_eq!(gate.pause(40, everybody), LONGEST_PAUSE);
    }

    #[test]
    fn who_is_replaced_says_nothing_more() {
        let (gate, delivery) = gate();
        let (now, today) = (Instant::now(), DateTime::UNIX_EPOCH);
        gate.stop.cancel();
        gate.delivery.send_replace(Delivery::Off);
        gate.end(1, failed(FailureKind::Unavailable), now, today);
        gate.end(1, Turn::Served, now, today);
        assert_eq!(*delivery.borrow(), Delivery::Off);
    }
}
