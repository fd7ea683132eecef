//! Who is logged in: in memory of this process, of limited size. The browser keeps a random ticket, this keeps only its hash. A session
//! ends when nobody used it for a while, after some hours in any case, and with the process.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::super::admin::{Operator, Standing};
use super::mask::mask;
use crate::wordpress::application_passwords::Verified;

/// After so much time without a request, a session ends.
const IDLE: Duration = Duration::from_mins(30);
/// After so much time, it ends in any case.
const LONGEST: Duration = Duration::from_hours(12);
/// For so long, what the database said about a user is believed.
const BELIEVED: Duration = Duration::from_mins(1);
/// Beyond so many sessions, one ends: of whoever has the most, the one that was not used for longest. So nobody ends another's by
/// logging in again and again.
const MOST: usize = 256;

/// What a browser shows to be let in.
pub(super) struct Ticket([u8; 32]);

impl Ticket {
    pub(super) fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// # Panics
    /// If the operating system's generator fails; there is no safe way to go on without it.
    pub(super) fn draw() -> Self {
        let mut bytes = [0; 32];
        SysRng
            .try_fill_bytes(&mut bytes)
            .expect("the operating system provides random numbers");
        Self(bytes)
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = hex::decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// As the browser keeps it.
    pub(super) fn text(&self) -> String {
        hex::encode(self.0)
    }

    /// What a form of this session has to bring: another page knows neither this nor the ticket.
    pub(super) fn form_key(&self) -> String {
        hex::encode(self.hash("form"))
    }

    /// Whether a form brought it.
    pub(super) fn is_form_key(&self, given: &str) -> bool {
        self.form_key().as_bytes().ct_eq(given.as_bytes()).into()
    }

    fn hash(&self, of: &str) -> [u8; 32] {
        let hash = Sha256::new().chain_update("fcom-sidecar console ");
        hash.chain_update(of).chain_update(self.0).finalize().into()
    }
}

/// With which credentials somebody logged in.
#[derive(Clone, Debug)]
pub(super) enum Credentials {
    /// The admin token, by its hash.
    Token([u8; 32]),
    /// An application password.
    Password {
        /// As it was typed.
        name: String,
        verified: Verified,
    },
    /// WordPress says who it is, with each request.
    WordPress { user_id: u64, login: String },
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) credentials: Credentials,
    pub(super) standing: Standing,
}

impl Session {
    /// For the log.
    pub(super) fn operator(&self) -> Operator {
        match &self.credentials {
            Credentials::Token(_) => Operator::Token,
            Credentials::Password { verified, .. } => Operator::User(verified.user_id),
            Credentials::WordPress { user_id, .. } => Operator::User(*user_id),
        }
    }

    /// For the log: who changes something, and where. A login may be an address.
    pub(super) fn who(&self) -> String {
        let operator = self.operator();
        match &self.credentials {
            Credentials::WordPress { login, .. } => {
                format!("{operator} ({}), in wp-admin", mask(login))
            }
            _ => format!("{operator}, in the console"),
        }
    }
}

/// For the page: who is logged in.
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.credentials {
            Credentials::Token(_) => f.write_str("admin token"),
            Credentials::Password { name, .. } => f.write_str(name),
            Credentials::WordPress { login, .. } => write!(f, "{login} (wp-admin)"),
        }
    }
}

/// What the next page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// Whether it was what the operator wanted.
    pub(super) is_good: bool,
    pub(super) text: String,
}

struct Kept {
    session: Session,
    began: Instant,
    used: Instant,
    confirmed: Instant,
    notice: Option<Notice>,
}

impl Kept {
    fn is_over(&self, now: Instant) -> bool {
        let since = |time: Instant| now.saturating_duration_since(time);
        since(self.used) >= IDLE || since(self.began) >= LONGEST
    }
}

/// All sessions, by the hashes of their tickets.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Kept>>);

impl Sessions {
    /// Lets somebody in who was nobody before.
    pub(super) fn begin(&self, session: Session, now: Instant) -> Ticket {
        let ticket = Ticket::draw();
        self.keep(&ticket, session, now);
        ticket
    }

    /// Lets somebody in whom WordPress has authenticated: the ticket stands for the session there. Returns whether it is new here.
    pub(super) fn enter(&self, ticket: &Ticket, session: Session, now: Instant) -> bool {
        if let Some(kept) = self.all().get_mut(&ticket.hash("session"))
            && !kept.is_over(now)
        {
            kept.used = now;
            kept.session = session;
            return false;
        }
        self.keep(ticket, session, now);
        true
    }

    fn keep(&self, ticket: &Ticket, session: Session, now: Instant) {
        let mut all = self.all();
        all.retain(|_, kept| !kept.is_over(now));
        if all.len() >= MOST {
            make_room(&mut all);
        }
        let kept = Kept {
            session,
            began: now,
            used: now,
            confirmed: now,
            notice: None,
        };
        all.insert(ticket.hash("session"), kept);
    }

    /// The session of this ticket, and whether it is to be confirmed. What a page asks by itself is no use of it.
    pub(super) fn find(
        &self,
        ticket: &Ticket,
        now: Instant,
        is_use: bool,
    ) -> Option<(Session, bool)> {
        let (mut all, hash) = (self.all(), ticket.hash("session"));
        let kept = all.get_mut(&hash)?;
        if kept.is_over(now) {
            all.remove(&hash);
            return None;
        }
        if is_use {
            kept.used = now;
        }
        let is_old = now.saturating_duration_since(kept.confirmed) >= BELIEVED;
        Some((kept.session.clone(), is_old))
    }

    /// Whether this ticket was given out, and its session may go on.
    pub(super) fn knows(&self, ticket: &Ticket) -> bool {
        self.all().contains_key(&ticket.hash("session"))
    }

    /// The database said what this user may do.
    pub(super) fn confirm(&self, ticket: &Ticket, standing: Standing, now: Instant) {
        if let Some(kept) = self.all().get_mut(&ticket.hash("session")) {
            kept.session.standing = standing;
            kept.confirmed = now;
        }
    }

    /// Ends the session, if it is one.
    pub(super) fn end(&self, ticket: &Ticket) {
        self.all().remove(&ticket.hash("session"));
    }

    /// Has the next page say this.
    pub(super) fn note(&self, ticket: &Ticket, notice: Notice) {
        if let Some(kept) = self.all().get_mut(&ticket.hash("session")) {
            kept.notice = Some(notice);
        }
    }

    /// What this page has to say.
    pub(super) fn take_notice(&self, ticket: &Ticket) -> Option<Notice> {
        self.all().get_mut(&ticket.hash("session"))?.notice.take()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<[u8; 32], Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(all: &mut HashMap<[u8; 32], Kept>) {
    let mut owned: HashMap<Operator, usize> = HashMap::new();
    for kept in all.values() {
        *owned.entry(kept.session.operator()).or_default() += 1;
    }
    let most = owned.values().copied().max().unwrap_or_default();
    let of_most = all
        .iter()
        .filter(|(_, kept)| owned[&kept.session.operator()] == most);
    let oldest = of_most.min_by_key(|(_, kept)| kept.used);
    let oldest = oldest.map(|(hash, _)| *hash);
    oldest.and_then(|hash| all.remove(&hash));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        Session {
            credentials: Credentials::Token([7; 32]),
            standing: Standing::Manages,
        }
    }

    #[test]
    fn a_session_ends_when_it_is_not_used_and_when_its_time_is_up() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let at = |minutes| start + Duration::from_mins(minutes);
        let (idle, busy) = (
            sessions.begin(session(), start),
            sessions.begin(session(), start),
        );
        assert!(sessions.find(&idle, at(29), true).is_some());
        assert!(sessions.find(&idle, at(59), true).is_none());
        for minute in (0..720).step_by(10) {
            assert!(sessions.find(&busy, at(minute), true).is_some(), "{minute}");
        }
        assert!(sessions.find(&busy, at(720), true).is_none());
        assert!(sessions.find(&busy, at(0), true).is_none());
        // A page that is left open and asks for news does not keep it.
        let open = sessions.begin(session(), start);
        for minute in 0..30 {
            assert!(
                sessions.find(&open, at(minute), false).is_some(),
                "{minute}"
            );
        }
        assert!(sessions.find(&open, at(30), false).is_none());
    }

    #[test]
    fn a_ticket_opens_its_own_session_only_and_until_log_out() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let (one, other) = (
            sessions.begin(session(), now),
            sessions.begin(session(), now),
        );
        assert!(sessions.find(&Ticket::draw(), now, true).is_none());
        assert_ne!(one.text(), other.text());
        assert!(!one.is_form_key(&other.form_key()) && one.is_form_key(&one.form_key()));
        assert!(!one.is_form_key(&one.text()) && !one.is_form_key(""));
        sessions.end(&one);
        assert!(sessions.find(&one, now, true).is_none());
        let again = Ticket::parse(&other.text()).unwrap();
        assert!(sessions.find(&again, now, true).is_some());
        for text in ["", "ab", "zz", &"0".repeat(63)] {
            assert!(Ticket::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_the_database_said_is_believed_for_a_minute() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let ticket = sessions.begin(session(), start);
        let later = start + BELIEVED;
        assert!(!sessions.find(&ticket, start, true).unwrap().1);
        assert!(sessions.find(&ticket, later, true).unwrap().1);
        sessions.confirm(&ticket, Standing::Looks, later);
        let (session, is_old) = sessions.find(&ticket, later, true).unwrap();
        assert_eq!((session.standing, is_old), (Standing::Looks, false));
    }

    #[test]
    fn a_crowd_of_sessions_takes_no_more_room_and_ends_nobody_elses() {
        let (sessions, start) = (Sessions::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        let verified = Verified::of_user(7);
        let of_other = sessions.begin(
            Session {
                credentials: Credentials::Password {
                    name: "ann".to_owned(),
                    verified,
                },
                standing: Standing::Looks,
            },
            start,
        );
        let tickets: Vec<Ticket> = (1..=1000)
            .map(|millis| sessions.begin(session(), at(millis)))
            .collect();
        assert_eq!(sessions.all().len(), MOST);
        assert!(sessions.find(&of_other, at(1000), true).is_some());
        assert!(sessions.find(&tickets[999], at(1000), true).is_some());
        assert!(sessions.find(&tickets[0], at(1000), true).is_none());
    }

    #[test]
    fn a_notice_is_said_once() {
        let (sessions, now) = (Sessions::default(), Instant::now());
        let ticket = sessions.begin(session(), now);
        let notice = Notice {
            is_good: true,
            text: "done".to_owned(),
        };
        sessions.note(&ticket, notice.clone());
        assert_eq!(sessions.take_notice(&ticket), Some(notice));
        assert_eq!(sessions.take_notice(&ticket), None);
    }
}
