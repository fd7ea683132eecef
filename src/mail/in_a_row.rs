//! What the mail server says of one mail after another. Of one mail it is taken as meant for it; of several in a row, with none
//! taken in between, it is the server's matter, until it takes one. A mail that it did not take again and again while it took others
//! is at fault itself, and shows nothing about others.

use std::collections::BTreeMap;

use super::failure::Reply;

/// So many refusals with the same reply are not for the recipients' sake.
const REFUSALS: usize = 3;
/// The same if the reply says that they are.
const REFUSALS_OF_RECIPIENTS: usize = 10;
/// So often others have to be taken after a mail was not. A server with a quota takes some, and refuses the next ones, whose turn comes
/// when it takes mails again.
const PASSED_OVER: u32 = 2;
/// So often a mail may be sent without being confirmed: each may arrive, with a link that ends the one before.
pub(super) const UNCONFIRMED: u32 = 3;
/// What is remembered of mails has to end somewhere; the earliest are forgotten.
const MOST_MAILS: usize = 10_000;

/// What a server has said.
#[derive(Default)]
pub(super) struct InARow {
    put_off: PutOff,
    refused: Refused,
    /// Mails that it did not take, as it took none, with the reply if that was permanent.
    waiting: BTreeMap<u64, Option<Reply>>,
    /// How often it took others after that.
    passed_over: BTreeMap<u64, (Option<Reply>, u32)>,
    /// How often in a row it got a mail without confirming it.
    unconfirmed: BTreeMap<u64, u32>,
}

#[derive(Clone, Copy, Default)]
enum PutOff {
    #[default]
    Nothing,
    /// This mail, which may be at fault.
    One(u64),
    /// Several mails, so it throttles.
    Several,
}

#[derive(Default)]
enum Refused {
    #[default]
    Nothing,
    /// These mails, with this reply.
    Some(Reply, Vec<u64>),
    /// So many that it refuses everybody.
    Everybody,
}

impl InARow {
    /// The server took this mail.
    pub(super) fn took(&mut self, mail: u64) {
        self.put_off = PutOff::Nothing;
        self.refused = Refused::Nothing;
        self.waiting.remove(&mail);
        self.passed_over.remove(&mail);
        self.unconfirmed.remove(&mail);
        for (mail, reply) in std::mem::take(&mut self.waiting) {
            let (of, times) = self.passed_over.entry(mail).or_insert((reply, 0));
            *times = if *of == reply { *times + 1 } else { 1 };
            *of = reply;
        }
        while self.passed_over.len() > MOST_MAILS {
            self.passed_over.pop_first();
        }
    }

    /// An attempt at this mail failed, after the server got it and did not confirm it (`is_lost`), or otherwise. Returns whether it was lost
    /// often enough in a row: it may have arrived each time.
    pub(super) fn is_unconfirmed_for_good(&mut self, mail: u64, is_lost: bool) -> bool {
        if !is_lost {
            self.unconfirmed.remove(&mail);
            return false;
        }
        let times = self.unconfirmed.entry(mail).or_default();
        *times += 1;
        let is_enough = *times >= UNCONFIRMED;
        if is_enough {
            self.unconfirmed.remove(&mail);
        }
        if self.unconfirmed.len() > MOST_MAILS {
            self.unconfirmed.pop_first();
        }
        is_enough
    }

    /// A mail is given up, so what was put off before it says nothing.
    pub(super) fn gave_up(&mut self) {
        self.put_off = PutOff::Nothing;
    }

    /// Whether a server that puts this mail off does so with others as well.
    pub(super) fn is_throttled(&self, mail: u64) -> bool {
        match self.put_off {
            PutOff::Nothing => false,
            PutOff::One(other) => other != mail && !self.is_at_fault(mail, None),
            PutOff::Several => true,
        }
    }

    /// The server put this mail off, and that is on record. Returns the mail before it that was not at fault, as it now shows.
    pub(super) fn put_off(&mut self, mail: u64) -> Option<u64> {
        match self.put_off {
            PutOff::Several => self.waits(mail, None),
            _ if self.is_at_fault(mail, None) => {}
            PutOff::Nothing => self.put_off = PutOff::One(mail),
            PutOff::One(other) if other != mail => {
                self.put_off = PutOff::Several;
                self.waits(other, None);
                self.waits(mail, None);
                return Some(other);
            }
            PutOff::One(_) => {}
        }
        None
    }

    /// Whether a server that refuses this mail with this reply refuses everybody. Once it does, another reply proves nothing.
    pub(super) fn is_refused_as_others(&self, mail: u64, reply: Reply) -> bool {
        match &self.refused {
            Refused::Nothing => false,
            Refused::Some(other, mails) => {
                let others = mails.iter().filter(|one| **one != mail);
                *other == reply
                    && !self.is_at_fault(mail, Some(reply))
                    && self.telling(others, reply) + 1 >= enough(reply)
            }
            Refused::Everybody => true,
        }
    }

    /// The server refused this mail for good, so it is given up, and that is on record. Returns the mails that are not at fault, as it
    /// now shows.
    pub(super) fn refused(&mut self, mail: u64, reply: Reply) -> Vec<u64> {
        let mut mails = match std::mem::take(&mut self.refused) {
            Refused::Everybody => {
                self.refused = Refused::Everybody;
                self.waits(mail, Some(reply));
                return vec![mail];
            }
            Refused::Some(other, mails) if other == reply => mails,
            Refused::Some(..) | Refused::Nothing => Vec::new(),
        };
        if !mails.contains(&mail) {
            mails.push(mail);
        }
        let is_everybody = self.telling(mails.iter(), reply) >= enough(reply);
        self.refused = Refused::Some(reply, mails);
        if is_everybody {
            return self.refuses_everybody();
        }
        Vec::new()
    }

    /// The server [refuses everybody](Self::is_refused_as_others). Returns the mails that were given up before that was known.
    pub(super) fn refuses_everybody(&mut self) -> Vec<u64> {
        match std::mem::replace(&mut self.refused, Refused::Everybody) {
            Refused::Some(reply, mails) => {
                for mail in &mails {
                    self.waits(*mail, Some(reply));
                }
                mails
            }
            Refused::Nothing | Refused::Everybody => Vec::new(),
        }
    }

    /// Whether the server takes no mail, as far as is known.
    pub(super) fn is_none_taken(&self) -> bool {
        matches!(self.refused, Refused::Everybody) || matches!(self.put_off, PutOff::Several)
    }

    /// A mail is put back because the server takes none; `reply` if it refused it.
    pub(super) fn waits(&mut self, mail: u64, reply: Option<Reply>) {
        self.waiting.insert(mail, reply);
    }

    /// Whether others were taken again and again where this mail was not.
    fn is_at_fault(&self, mail: u64, reply: Option<Reply>) -> bool {
        let known = self.passed_over.get(&mail);
        known.is_some_and(|&(of, times)| of == reply && times >= PASSED_OVER)
    }

    /// How many of the mails that were refused with this reply show something about others.
    fn telling<'a>(&self, mails: impl Iterator<Item = &'a u64>, reply: Reply) -> usize {
        mails
            .filter(|mail| !self.is_at_fault(**mail, Some(reply)))
            .count()
    }
}

fn enough(reply: Reply) -> usize {
    if reply.is_of_recipient() {
        REFUSALS_OF_RECIPIENTS
    } else {
        REFUSALS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_two_mails_put_off_in_a_row_are_the_servers_matter() {
        let mut seen = InARow::default();
        assert_eq!(seen.put_off(1), None);
        assert!(!seen.is_throttled(1) && seen.is_throttled(2));
        assert_eq!(seen.put_off(1), None);
        assert_eq!(seen.put_off(2), Some(1));
        assert!(seen.is_throttled(2));
        assert_eq!(seen.put_off(3), None);
        seen.gave_up();
        assert!(!seen.is_throttled(3));
        assert_eq!(seen.put_off(3), None);
        seen.took(99);
        assert!(!seen.is_throttled(4));
    }

    #[test]
    fn only_several_recipients_refused_alike_are_the_servers_matter() {
        let denied = Reply::new(554, "5.7.1 relaying denied");
        let other = Reply::new(550, "no");
        let mut seen = InARow::default();
        // The same one again, after a retry.
        for mail in [1, 1, 2] {
            assert!(!seen.is_refused_as_others(mail, denied));
            assert_eq!(seen.refused(mail, denied), [0; 0]);
        }
        assert!(!seen.is_refused_as_others(2, denied) && !seen.is_refused_as_others(3, other));
        assert!(seen.is_refused_as_others(3, denied) && !seen.is_none_taken());
        assert_eq!(seen.refuses_everybody(), [1, 2]);
        assert_eq!(seen.refuses_everybody(), [0; 0]);
        assert!(seen.is_refused_as_others(4, other) && seen.is_none_taken());
        assert_eq!(seen.refused(4, other), [4]);
        seen.took(99);
        // Several at once.
        for (mail, wronged) in [(5, &[][..]), (6, &[]), (7, &[5, 6, 7])] {
            assert_eq!(seen.refused(mail, denied), wronged);
        }
        seen.took(99);
        for (mail, reply) in [(5, denied), (6, denied), (7, other), (8, denied)] {
            assert_eq!(seen.refused(mail, reply), [0; 0]);
        }
    }

    #[test]
    fn unknown_recipients_have_to_be_many() {
        let unknown = Reply::new(550, "5.1.1 no such user");
        let mut seen = InARow::default();
        for mail in 1..10 {
            assert_eq!(seen.refused(mail, unknown), [0; 0]);
        }
        assert_eq!(seen.refused(10, unknown).len(), 10);
    }

    #[test]
    fn who_is_put_off_while_others_are_taken_throttles_nobody() {
        let mut seen = InARow::default();
        for _ in 0..PASSED_OVER {
            assert_eq!(seen.put_off(1), None);
            assert_eq!(seen.put_off(2), Some(1));
            assert_eq!(seen.put_off(3), None);
            assert!(seen.is_none_taken());
            seen.took(99);
        }
        for mail in [1, 2, 3, 4] {
            assert!(!seen.is_throttled(mail));
            assert_eq!(seen.put_off(mail), None);
        }
        // Others still show it, and then it holds for all.
        assert!(!seen.is_throttled(1) && seen.is_throttled(5));
        assert_eq!(seen.put_off(5), Some(4));
        assert!(seen.is_throttled(1));
        // Once it was taken, nothing is held against it.
        seen.took(1);
        assert_eq!((seen.put_off(4), seen.put_off(1)), (None, Some(4)));
    }

    #[test]
    fn who_is_refused_while_others_are_taken_is_not_everybody() {
        let unknown = Reply::new(550, "no such user");
        let mut seen = InARow::default();
        for _ in 0..PASSED_OVER {
            for (mail, wronged) in [(1, &[][..]), (2, &[]), (3, &[1, 2, 3])] {
                assert_eq!(seen.refused(mail, unknown), wronged);
            }
            seen.waits(4, Some(unknown));
            seen.took(99);
        }
        for mail in [1, 2, 3, 4, 5] {
            assert!(!seen.is_refused_as_others(mail, unknown));
            assert_eq!(seen.refused(mail, unknown), [0; 0]);
        }
        // As when it refuses everybody indeed, them included.
        assert_eq!(seen.refused(6, unknown), [0; 0]);
        assert!(!seen.is_refused_as_others(1, unknown) && seen.is_refused_as_others(7, unknown));
        assert_eq!(seen.refused(7, unknown), [1, 2, 3, 4, 5, 6, 7]);
        seen.took(99);
        // Another reply is another matter.
        let denied = Reply::new(554, "5.7.1 relaying denied");
        for (mail, wronged) in [(1, &[][..]), (2, &[]), (3, &[1, 2, 3])] {
            assert_eq!(seen.refused(mail, denied), wronged);
        }
    }
}
