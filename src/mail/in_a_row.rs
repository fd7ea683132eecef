//! What the mail server says of one mail after another. Of one mail it is taken as meant for it; of several in a row, with none
//! taken in between, it is the server's matter.

use std::collections::BTreeMap;

use super::failure::Reply;

/// So many refusals with the same reply are not for the recipients' sake.
const REFUSALS: usize = 3;
/// The same if the reply says that they are.
const REFUSALS_OF_RECIPIENTS: usize = 10;

/// So often a mail may be sent without being confirmed: each may arrive, with a link that ends the one before.
pub(super) const UNCONFIRMED: u32 = 3;
/// What is remembered of mails has to end somewhere; the earliest are forgotten.
const MOST_MAILS: usize = 10_000;

/// What a server has said since it last took a mail.
#[derive(Default)]
pub(super) struct InARow {
    put_off: PutOff,
    unconfirmed: PutOff,
    refused: Refused,
    /// How often it got each of these mails without confirming it; also before it took others.
    times: BTreeMap<u64, u32>,
    /// Mails that were refused as everybody was, with the reply; also before it took others.
    forgiven: BTreeMap<u64, Reply>,
}

#[derive(Clone, Copy, Default)]
enum PutOff {
    #[default]
    Nothing,
    /// This mail, which may be at fault.
    One(u64),
    /// Several mails, so it is the server's matter.
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
        self.times.remove(&mail);
        self.forgiven.remove(&mail);
        self.put_off = PutOff::Nothing;
        self.unconfirmed = PutOff::Nothing;
        self.refused = Refused::Nothing;
    }

    /// The server got this mail and did not confirm it. Returns whether that was often enough: it may have arrived each time.
    pub(super) fn is_unconfirmed_for_good(&mut self, mail: u64) -> bool {
        let times = self.times.entry(mail).or_default();
        *times += 1;
        let is_enough = *times >= UNCONFIRMED;
        if is_enough {
            self.times.remove(&mail);
        }
        if self.times.len() > MOST_MAILS {
            self.times.pop_first();
        }
        is_enough
    }

    /// The same, which is on record. Returns whether it confirms none of several mails.
    pub(super) fn unconfirmed(&mut self, mail: u64) -> bool {
        self.unconfirmed.note(mail);
        matches!(self.unconfirmed, PutOff::Several)
    }

    /// A mail is given up, so what was put off before it says nothing.
    pub(super) fn gave_up(&mut self) {
        self.put_off = PutOff::Nothing;
    }

    /// Whether a server that puts this mail off does so with others as well.
    pub(super) fn is_throttled(&self, mail: u64) -> bool {
        match self.put_off {
            PutOff::Nothing => false,
            PutOff::One(other) => other != mail,
            PutOff::Several => true,
        }
    }

    /// The server put this mail off, and that is on record. Returns the mail before it that was not at fault, as it now shows.
    pub(super) fn put_off(&mut self, mail: u64) -> Option<u64> {
        self.put_off.note(mail)
    }

    /// Whether this mail was refused with this reply before, as everybody was: nobody knows whose matter that is, so it waits.
    pub(super) fn is_forgiven(&self, mail: u64, reply: Reply) -> bool {
        self.forgiven.get(&mail) == Some(&reply)
    }

    fn forgive(&mut self, mails: &[u64], reply: Reply) {
        self.forgiven
            .extend(mails.iter().map(|mail| (*mail, reply)));
        while self.forgiven.len() > MOST_MAILS {
            self.forgiven.pop_first();
        }
    }

    /// Whether a server that refuses this mail with this reply refuses everybody. Once it does, another reply proves nothing.
    pub(super) fn is_refused_as_others(&self, mail: u64, reply: Reply) -> bool {
        match &self.refused {
            Refused::Nothing => false,
            Refused::Some(other, mails) => {
                let others = mails.iter().filter(|one| **one != mail);
                *other == reply && others.count() + 1 >= enough(reply)
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
                self.forgive(&[mail], reply);
                return vec![mail];
            }
            Refused::Some(other, mails) if other == reply => mails,
            Refused::Some(..) | Refused::Nothing => Vec::new(),
        };
        if !mails.contains(&mail) {
            mails.push(mail);
        }
        if mails.len() >= enough(reply) {
            self.refused = Refused::Everybody;
            self.forgive(&mails, reply);
            return mails;
        }
        self.refused = Refused::Some(reply, mails);
        Vec::new()
    }

    /// The server [refuses everybody](Self::is_refused_as_others). Returns the mails that were given up before that was known.
    pub(super) fn refuses_everybody(&mut self) -> Vec<u64> {
        match std::mem::replace(&mut self.refused, Refused::Everybody) {
            Refused::Some(reply, mails) => {
                self.forgive(&mails, reply);
                mails
            }
            Refused::Nothing | Refused::Everybody => Vec::new(),
        }
    }

    /// Whether the server takes no mail, as far as is known.
    pub(super) fn is_none_taken(&self) -> bool {
        let several = |mails| matches!(mails, PutOff::Several);
        matches!(self.refused, Refused::Everybody)
            || several(self.put_off)
            || several(self.unconfirmed)
    }
}

impl PutOff {
    /// Another mail, or the same again. Returns the one before it, if they are two now.
    fn note(&mut self, mail: u64) -> Option<u64> {
        match *self {
            Self::Nothing => *self = Self::One(mail),
            Self::One(other) if other != mail => {
                *self = Self::Several;
                return Some(other);
            }
            Self::One(_) | Self::Several => {}
        }
        None
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
        // With that reply these are not given up any more; 3 was not.
        let forgiven = |mail, reply| seen.is_forgiven(mail, reply);
        assert!(forgiven(1, denied) && forgiven(2, denied) && forgiven(4, other));
        assert!(!forgiven(1, other) && !forgiven(3, denied));
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
    fn a_mail_that_is_never_confirmed_has_three_attempts_and_two_are_the_servers_matter() {
        let mut seen = InARow::default();
        assert!(!seen.is_unconfirmed_for_good(1) && !seen.unconfirmed(1) && !seen.unconfirmed(1));
        // Others that it takes say nothing of this one.
        seen.took(2);
        assert!(!seen.is_unconfirmed_for_good(1) && !seen.unconfirmed(1) && !seen.is_none_taken());
        assert!(!seen.is_unconfirmed_for_good(3) && seen.unconfirmed(3) && seen.is_none_taken());
        assert!(seen.is_unconfirmed_for_good(1) && seen.unconfirmed(1));
        assert!(!seen.is_unconfirmed_for_good(1));
        seen.took(3);
        assert!(!seen.is_none_taken() && !seen.is_unconfirmed_for_good(3));
    }
}
