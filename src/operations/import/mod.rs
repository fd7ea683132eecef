//! Imports a list of members: one call of a webhook for each line, through the code of calls, in process. First the list is surveyed, which
//! changes nothing.
//!
//! A line's call is named by the line's own fields. So a list that is started again goes on where it ended, on whichever machine, and of a
//! list that was corrected meanwhile only the corrected lines are carried out.

mod addresses;
mod error;
mod others;
mod patience;
mod run;
mod survey;
mod told;
mod upcoming;

pub use self::addresses::Addresses;
pub use self::error::ImportError;
pub use self::run::Import;
pub use self::survey::{Problem, Survey, survey};
pub use self::told::{Ended, Summary};
use crate::provision::{Idempotency, ProvisionError, WebhookCall};
use crate::roster::{Line, LineFlaw};
use crate::wordpress::password::{is_hash, is_md5};

/// Makes the call of a line, which [`named`] has named.
pub type CallOf = dyn Fn(&Line) -> WebhookCall + Send + Sync;

const HASH: &str = "its password is a hash, which would itself become the password: leave the column out with --map user_password=, and \
     new members choose passwords of their own";

/// Why a line is not carried out, whatever the site says.
pub(super) enum Unfit {
    /// Its address stands in an earlier line.
    Twice(u64),
    /// Its address is none.
    Address(ProvisionError),
    /// It cannot be read as it is meant.
    Misread(LineFlaw),
    /// Its password is the hash of one.
    Hash,
}

impl Unfit {
    /// For people.
    fn reason(&self) -> String {
        match self {
            Self::Twice(first) => format!("the address stands in line {first} already"),
            Self::Address(error) => error.to_string(),
            Self::Misread(flaw) => flaw.to_string(),
            Self::Hash => HASH.to_owned(),
        }
    }
}

/// Names the call of a line by its fields, so that it is carried out once, however often the list is; or once more for each word.
pub fn named(mut call: WebhookCall, again: Option<&str>) -> WebhookCall {
    call.idempotency = Some(Idempotency::of_line(call.repeated_fields(), again));
    call
}

/// The call of a line that may be carried out.
fn fit(line: &Line, call: &CallOf, addresses: &mut Addresses) -> Result<WebhookCall, Unfit> {
    if let Some(flaw) = line.flaw {
        return Err(Unfit::Misread(flaw));
    }
    let [.., password] = &line.values;
    let is_hash = |text: &String| is_hash(text) || line.may_be_hash && is_md5(text);
    if password.as_ref().is_some_and(is_hash) {
        return Err(Unfit::Hash);
    }
    let call = call(line);
    let address = match &call.email {
        Ok(email) => email.stored().to_lowercase(),
        Err(ProvisionError::EmailTooLong) => {
            return Err(Unfit::Address(ProvisionError::EmailTooLong));
        }
        Err(_) => return Err(Unfit::Address(ProvisionError::EmailRequired)),
    };
    match addresses.earlier(&address, line.number) {
        Some(first) => Err(Unfit::Twice(first)),
        None => Ok(call),
    }
}
