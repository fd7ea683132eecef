//! `[admin]`: authentication and options of webhook management. Mirrors nothing in PHP.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};

use super::problem::{Problem, Reported};
use super::settings::Settings;

pub(super) const KEYS: &[&str] = &[
    "admin.token",
    "admin.token_file",
    "admin.application_passwords",
    "admin.failures_per_minute_per_client",
    "admin.old_key_hours",
];

/// Shorter tokens could be guessed.
const SHORTEST_TOKEN: usize = 32;

/// The longest time, in hours, for which an old webhook key may stay valid after a rotation.
pub const LONGEST_OLD_KEY_HOURS: u32 = 8760;

/// Resolved `[admin]` options.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The bearer token, if there is one.
    pub token: Option<SecretString>,
    /// Whether WordPress's application passwords are accepted.
    pub application_passwords: bool,
    /// Refused requests a minute from one address before all its requests must wait.
    pub failures_per_minute_per_client: NonZeroU32,
    /// How long an old webhook key stays valid after a rotation, unless the request sets another time.
    pub old_keys: TimeDelta,
}

impl Admin {
    pub(super) fn read(settings: &mut Settings) -> Result<Self, Reported> {
        let token = token(settings);
        let choices = [("on", true), ("off", false)];
        let application_passwords = settings.one_of("admin.application_passwords", &choices);
        let failures = settings.number("admin.failures_per_minute_per_client", 1..=1_000_000);
        let old_key_hours = settings.number("admin.old_key_hours", 0..=LONGEST_OLD_KEY_HOURS);
        Ok(Self {
            token: token?,
            application_passwords: application_passwords?,
            failures_per_minute_per_client: NonZeroU32::new(failures?).unwrap_or(NonZeroU32::MIN),
            old_keys: TimeDelta::hours(old_key_hours?.into()),
        })
    }
}

/// Refuses a token that is set but empty or weak: the operator believes that it protects something.
fn token(settings: &mut Settings) -> Result<Option<SecretString>, Reported> {
    let key = "admin.token";
    let is_cleared = settings.is_known(key) && !settings.is_given(key);
    let Some(token) = settings.secret(key)? else {
        return if is_cleared {
            Err(refused(settings, "is empty"))
        } else {
            Ok(None)
        };
    };
    let text = token.expose_secret();
    let different: BTreeSet<u8> = text.bytes().collect();
    let flaw = if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        "has other characters than visible ASCII"
    } else if text.len() < SHORTEST_TOKEN {
        "is shorter than 32 characters"
    } else if different.len() < 8 {
        "is not random"
    } else {
        return Ok(Some(token));
    };
    Err(refused(settings, flaw))
}

fn refused(settings: &mut Settings, flaw: &str) -> Reported {
    let remedy = "make one, e.g. with: openssl rand -hex 32; or remove it to have none";
    settings.note(Problem::new("admin.token", flaw, remedy))
}
