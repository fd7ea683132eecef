//! Reads lines some at a time, and asks at once which of them were carried out before.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::told::{Ended, TWICE};
use super::{Addresses, CallOf, Unfit, fit};
use crate::outcome::Outcome;
use crate::provision::{WebhookCall, note_unused};
use crate::roster::{Line, Lines};
use crate::site::Site;

/// Lines that are read at once.
const AT_ONCE: usize = 100;

/// A line that was read.
pub(super) enum Next {
    /// With its call.
    Fit(Line, Box<WebhookCall>),
    /// It is not carried out.
    Unfit(Ended),
}

/// The lines that are still to be carried out.
pub(super) struct Upcoming<'a, R: Read> {
    lines: Lines<R>,
    addresses: Addresses,
    call: &'a CallOf,
    /// Of these, those that were read already; an error comes after the lines before it.
    read: VecDeque<io::Result<Next>>,
}

impl<'a, R: Read> Upcoming<'a, R> {
    pub(super) fn of(lines: Lines<R>, addresses: Addresses, call: &'a CallOf) -> Self {
        Self {
            lines,
            addresses,
            call,
            read: VecDeque::new(),
        }
    }

    /// The next line; `None` at the end of the list.
    pub(super) async fn next(&mut self, site: &Site) -> io::Result<Option<Next>> {
        if self.read.is_empty() {
            self.read_on();
            let calls = self.read.iter_mut().filter_map(|next| match next {
                Ok(Next::Fit(_, call)) => Some(&mut **call),
                _ => None,
            });
            note_unused(site, calls.collect()).await;
        }
        self.read.pop_front().transpose()
    }

    fn read_on(&mut self) {
        while self.read.len() < AT_ONCE {
            match self.lines.next_line() {
                Ok(Some(line)) => {
                    let next = self.judge(line);
                    self.read.push_back(Ok(next));
                }
                Ok(None) => return,
                Err(error) => {
                    self.read.push_back(Err(error));
                    return;
                }
            }
        }
    }

    fn judge(&mut self, line: Line) -> Next {
        let unfit = match fit(&line, self.call, &mut self.addresses) {
            Ok(call) => return Next::Fit(line, Box::new(call)),
            Err(unfit) => unfit,
        };
        let outcome = match unfit {
            Unfit::Twice(_) => TWICE,
            Unfit::Misread(_) | Unfit::Hash => Outcome::InvalidRequest.word(),
            Unfit::Address(_) => Outcome::InvalidEmail.word(),
        };
        Next::Unfit(Ended::refused(line.number, outcome, unfit.reason()))
    }
}
