//! What is compared with what, and in which circumstances.

use chrono::NaiveDateTime;
use serde_json::Value;

use super::answer::SLACK;
use super::findings::Mask;
use crate::provision::plan::MailPlan;
use crate::provision::rehearsal::{Seen, Subject, args_of};
use crate::wordpress::php::{self, Array};

/// Which calls ran at the same time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Overlaps {
    /// Any.
    pub(super) any: bool,
    /// Of the same webhook, as far as is known.
    pub(super) webhook: bool,
    /// For the same address.
    pub(super) member: bool,
}

/// Whether the password that was sent opens the account that PHP made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Password {
    /// None was sent, or there is no new account.
    NotSent,
    /// It is longer than WordPress verifies.
    TooLong,
    Opens,
    DoesNotOpen,
}

/// What the sidecar would do, and what there was before.
pub(super) struct Planned<'a> {
    pub(super) subject: &'a Subject,
    pub(super) before: &'a [Seen],
    pub(super) after: &'a [Seen],
    pub(super) is_new: bool,
    pub(super) welcome_mail: MailPlan,
}

/// How it is compared.
pub(super) struct Circumstances {
    /// The member according to PHP's tables.
    pub(super) user_id: u64,
    /// Seconds from the plan until the rows were read.
    pub(super) seconds: i64,
    pub(super) password: Password,
    pub(super) overlaps: Overlaps,
    pub(super) has_relay: bool,
    pub(super) is_network: bool,
}

/// One comparison.
pub(super) struct Comparison<'a> {
    pub(super) planned: Planned<'a>,
    pub(super) found: &'a [Seen],
    pub(super) circumstances: Circumstances,
    pub(super) mask: &'a Mask,
}

impl Comparison<'_> {
    /// Whether both are times of the call: PHP's comes after the plan's.
    pub(super) fn is_same_time(&self, planned: &str, found: &str) -> bool {
        let time = |text| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S");
        match (time(planned), time(found)) {
            (Ok(planned), Ok(found)) => {
                let later = (found - planned).num_seconds();
                (-SLACK..=self.circumstances.seconds + SLACK).contains(&later)
            }
            _ => planned == found,
        }
    }

    /// The plan's text with the member's id as PHP gave it.
    pub(super) fn with_their_id(&self, text: &str) -> String {
        let (ours, theirs) = (self.planned.subject.user_id, self.circumstances.user_id);
        if ours == theirs {
            return text.to_owned();
        }
        text.replace(&ours.to_string(), &theirs.to_string())
    }

    /// The arguments of a planned job with the member's id as PHP gave it.
    pub(super) fn args_with_their_id(&self, args: &str) -> String {
        args_of(
            args,
            self.planned.subject.user_id,
            self.circumstances.user_id,
        )
    }
}

/// A cell as text.
pub(super) fn shown(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// A serialised array.
pub(super) fn array(text: &str) -> Option<Array> {
    php::parse(text.as_bytes()).ok()?.into_array().ok()
}

/// The array without this key, as PHP writes it.
pub(super) fn without(array: &Array, key: &str) -> Vec<u8> {
    let mut rest = Array::new();
    for (name, value) in array.iter() {
        if *name != key.into() {
            rest.set(name.clone(), value.clone());
        }
    }
    php::Value::Array(rest).write()
}
