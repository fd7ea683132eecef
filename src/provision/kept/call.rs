//! A copy of a call, and the call that is made of it later.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretSlice};
use tokio::sync::OwnedSemaphorePermit;

use super::super::signature::TOLERANCE;
use super::super::{
    Caller, Email, Idempotency, Protection, ProvisionError, Signed, SourceRead, WebhookCall,
    WebhookKey,
};
use crate::outcome::Outcome;

/// What a part of the copy is. The numbers are stored.
mod part {
    pub(super) const CALL_ID: u8 = 1;
    pub(super) const EMAIL: u8 = 2;
    pub(super) const FIRST_NAME: u8 = 3;
    pub(super) const LAST_NAME: u8 = 4;
    pub(super) const LOGIN: u8 = 5;
    pub(super) const PASSWORD: u8 = 6;
    /// There was a password, and it was left out.
    pub(super) const LEFT_OUT: u8 = 7;
    pub(super) const HTTPS: u8 = 8;
    /// The two hashes of its `Idempotency-Key`.
    pub(super) const NAMED: u8 = 9;
    /// The same of its `webhook-id`.
    pub(super) const SIGNED: u8 = 10;
    pub(super) const SIGNED_AT: u8 = 11;
    /// The name of a protection that it met; several.
    pub(super) const MET: u8 = 12;
    pub(super) const REQUEST_ID: u8 = 13;
    /// The webhook whose source it was read with, and which it was right for.
    pub(super) const SOURCE: u8 = 14;
}

/// The most bytes of a copy, so that a `blob` holds them encrypted.
const LONGEST: usize = 65_000;

/// A copy of a call that may be refused, in memory only.
pub struct KeptCall {
    content: SecretSlice<u8>,
    /// Its signature is right, whatever its time.
    is_signed: bool,
    /// Its share of the memory in which copies wait.
    pub(in super::super) room: Option<OwnedSemaphorePermit>,
}

impl KeptCall {
    /// `None` for a call without a valid address, which could not be carried out later either, for one that is not its sender's, and for
    /// one that must not create anybody, which later calls do not know; also for one that is longer than a row may be.
    pub fn of(call: &WebhookCall, passwords: bool) -> Option<Self> {
        let is_none = |read: &SourceRead| read.known_only || read.flaw.is_some();
        if call.source.as_ref().is_some_and(is_none) {
            return None;
        }
        let email = call.email.as_ref().ok()?;
        let mut content = Content::default();
        content.add(part::CALL_ID, &call.id);
        content.add(part::EMAIL, email.given().as_bytes());
        content.add(part::FIRST_NAME, &call.first_name);
        content.add(part::LAST_NAME, &call.last_name);
        if let Some(login) = &call.user_login {
            content.add(part::LOGIN, login);
        }
        match &call.user_password {
            Some(password) if passwords => content.add(part::PASSWORD, password.expose_secret()),
            Some(_) => content.add(part::LEFT_OUT, &[]),
            None => {}
        }
        if call.https {
            content.add(part::HTTPS, &[]);
        }
        if let Some(named) = &call.idempotency {
            content.add(part::NAMED, &[named.key, named.fields].concat());
        }
        let caller = &call.caller;
        let met = caller.meets();
        let is_signed = caller
            .protections
            .iter()
            .any(|protection| protection.secrets.is_some() && met.contains(&protection.name));
        if let Some(signed) = call.signed.as_ref().filter(|_| is_signed) {
            content.add(part::SIGNED, &[signed.key, signed.fields].concat());
            let signed_at = caller.signed.as_ref().and_then(Signed::signed_at);
            let signed_at = signed_at.map_or(0, |at| at.timestamp());
            content.add(part::SIGNED_AT, &signed_at.to_be_bytes());
        }
        for name in &met {
            content.add(part::MET, name.as_bytes());
        }
        if let Some(read) = &call.source {
            content.add(part::SOURCE, &read.webhook_id.to_be_bytes());
        }
        if let Some(request_id) = &caller.request_id {
            content.add(part::REQUEST_ID, request_id.as_bytes());
        }
        let is_too_long = content.0.len() > LONGEST;
        (!is_too_long).then(|| Self {
            content: SecretSlice::from(content.0),
            is_signed,
            room: None,
        })
    }

    /// Whether a call that ended this way may be carried out later. A call that is signed and refused for its signature came too
    /// early or too late: one of the clocks was wrong, or somebody has sent again what was recorded.
    pub fn is_of_use(&self, outcome: Outcome) -> bool {
        outcome.may_pass() || outcome == Outcome::NotSigned && self.is_signed
    }

    /// What is encrypted.
    pub(super) fn content(&self) -> &[u8] {
        self.content.expose_secret()
    }

    /// The bytes that it takes up.
    pub(in super::super) fn length(&self) -> usize {
        self.content().len()
    }
}

/// Parts, each with its kind and length.
#[derive(Default)]
struct Content(Vec<u8>);

impl Content {
    fn add(&mut self, kind: u8, part: &[u8]) {
        let length = u32::try_from(part.len()).expect("a field is not that long");
        self.0.push(kind);
        self.0.extend(length.to_be_bytes());
        self.0.extend(part);
    }
}

fn parts(mut content: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut parts = Vec::new();
    while let Some((kind, rest)) = content.split_first() {
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (part, rest) = rest.split_at_checked(length)?;
        parts.push((*kind, part));
        content = rest;
    }
    Some(parts)
}

/// A kept call that has been decrypted.
pub struct Recalled {
    id: [u8; 16],
    email: Email,
    first_name: Vec<u8>,
    last_name: Vec<u8>,
    user_login: Option<Vec<u8>>,
    user_password: Option<SecretSlice<u8>>,
    /// Whether it had a password that was not kept.
    pub password_left_out: bool,
    https: bool,
    named: Option<Idempotency>,
    signed: Option<(Idempotency, DateTime<Utc>)>,
    met: Vec<String>,
    /// The webhook whose source it was read with, if any.
    pub source_of: Option<u64>,
    request_id: Option<Arc<str>>,
}

impl Recalled {
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        let parts = parts(content)?;
        let find = |kind| parts.iter().find(|part| part.0 == kind).map(|part| part.1);
        let name = |kind| find(kind).unwrap_or_default().to_vec();
        let signed_at = find(part::SIGNED_AT).and_then(|at| at.try_into().ok());
        let signed_at = signed_at.map(i64::from_be_bytes);
        let signed_at = signed_at.and_then(|at| DateTime::from_timestamp(at, 0));
        let text = |part: &[u8]| String::from_utf8_lossy(part).into_owned();
        Some(Self {
            id: find(part::CALL_ID)?.try_into().ok()?,
            email: Email::parse(find(part::EMAIL)?).ok()?,
            first_name: name(part::FIRST_NAME),
            last_name: name(part::LAST_NAME),
            user_login: find(part::LOGIN).map(<[u8]>::to_vec),
            user_password: find(part::PASSWORD).map(|part| SecretSlice::from(part.to_vec())),
            password_left_out: find(part::LEFT_OUT).is_some(),
            https: find(part::HTTPS).is_some(),
            named: find(part::NAMED).and_then(hashes),
            signed: find(part::SIGNED).and_then(hashes).zip(signed_at),
            met: parts
                .iter()
                .filter(|part| part.0 == part::MET)
                .map(|part| text(part.1))
                .collect(),
            source_of: find(part::SOURCE)
                .and_then(|id| id.try_into().ok())
                .map(u64::from_be_bytes),
            request_id: find(part::REQUEST_ID).map(|part| text(part).into()),
        })
    }

    /// The random id of the call, under which its run is recorded if it was executed after all.
    pub fn call_id(&self) -> [u8; 16] {
        self.id
    }

    /// Until when an earlier run of the call would be known by its `webhook-id` or `Idempotency-Key`; `None` if it has neither.
    pub fn is_remembered_until(
        &self,
        came_at: DateTime<Utc>,
        remembered: chrono::TimeDelta,
    ) -> Option<DateTime<Utc>> {
        // Who has recorded a signed call may have sent it again, long after it was executed. That was not before it was signed.
        let signed_at = self.signed.as_ref().map(|signed| signed.1 - TOLERANCE);
        let named_at = self.named.as_ref().map(|_| came_at);
        let first = signed_at.into_iter().chain(named_at).min()?;
        Some(first + remembered)
    }

    /// The call, to be carried out. Whatever happens to it, it is executed once: if it has no name of its own, its id is one.
    pub fn call(
        self,
        key: WebhookKey,
        refused_id: u64,
        protections: Arc<[Protection]>,
        now: DateTime<Utc>,
    ) -> WebhookCall {
        let mut call = WebhookCall {
            id: self.id,
            key,
            email: Ok::<_, ProvisionError>(self.email),
            first_name: self.first_name,
            last_name: self.last_name,
            user_login: self.user_login,
            user_password: self.user_password,
            https: self.https,
            idempotency: None,
            signed: self.signed.map(|signed| signed.0),
            retry_of: Some(refused_id),
            source: None,
            caller: Caller {
                address: None,
                arrived: now,
                signed: None,
                sourced: [].into(),
                protections,
                request_id: self.request_id,
                is_address_recorded: false,
                met: Some(self.met),
            },
            basic_plane: false,
        };
        let of_call = || Idempotency::of_call(&self.id, call.repeated_fields());
        call.idempotency = Some(self.named.unwrap_or_else(of_call));
        call
    }

    /// The same call, to be rehearsed.
    pub fn trial(self, key: WebhookKey, protections: Arc<[Protection]>) -> WebhookCall {
        let call = self.call(key, 0, protections, DateTime::UNIX_EPOCH);
        WebhookCall {
            id: rand::random(),
            idempotency: None,
            signed: None,
            retry_of: None,
            ..call
        }
    }
}

fn hashes(part: &[u8]) -> Option<Idempotency> {
    let (key, fields) = part.split_at_checked(32)?;
    Some(Idempotency {
        key: key.try_into().ok()?,
        fields: fields.try_into().ok()?,
        is_unused: false,
    })
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::super::super::call::sample_call;
    use super::*;

    fn recalled(call: &WebhookCall, passwords: bool) -> Recalled {
        Recalled::read(KeptCall::of(call, passwords).unwrap().content()).unwrap()
    }

    #[test]
    fn a_call_comes_back_as_it_came() {
        let mut call = sample_call(b"o'neil@Example.com");
        call.first_name = b"Zo\xff".to_vec();
        call.user_login = Some(b"ann".to_vec());
        call.user_password = Some(SecretSlice::from(b"Geheimnis".to_vec()));
        let key = || WebhookKey::parse(b"key").unwrap();
        let none = || [].into();
        let kept = recalled(&call, true);
        assert!(!kept.password_left_out);
        let again = kept.call(key(), 31, none(), DateTime::UNIX_EPOCH);
        assert_eq!(again.repeated_fields(), call.repeated_fields());
        let password = again.user_password.unwrap();
        assert_eq!(password.expose_secret(), b"Geheimnis");
        assert!(again.https && again.id == call.id && again.retry_of == Some(31));

        let without = KeptCall::of(&call, false).unwrap();
        let is_in = without
            .content()
            .windows(9)
            .any(|part| part == b"Geheimnis");
        assert!(!is_in);
        let without = recalled(&call, false);
        assert!(without.password_left_out);
        let without = without.call(key(), 31, none(), DateTime::UNIX_EPOCH);
        assert!(without.user_password.is_none());
        assert!(KeptCall::of(&sample_call(b"ann"), true).is_none());
    }

    /// Two retries are one call; those of another call are another one.
    #[test]
    fn a_call_without_a_name_is_named_by_its_id() {
        let named = |call: &WebhookCall| {
            let key = WebhookKey::parse(b"key").unwrap();
            let again = recalled(call, false).call(key, 31, [].into(), DateTime::UNIX_EPOCH);
            again.idempotency.unwrap()
        };
        let mut call = sample_call(b"ann@example.com");
        let first = named(&call);
        assert_eq!(named(&call), first);
        call.id = [2; 16];
        assert_ne!(named(&call).key, first.key);
        let own = Idempotency::of(b"order 1", call.repeated_fields()).unwrap();
        call.idempotency = Some(own);
        assert_eq!(named(&call), own);
        let kept = recalled(&call, false);
        let (came_at, day) = (DateTime::UNIX_EPOCH, TimeDelta::days(1));
        assert_eq!(kept.is_remembered_until(came_at, day), Some(came_at + day));
    }

    proptest! {
        #[test]
        fn no_bytes_are_mistaken_for_more_than_they_are(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Recalled::read(&bytes);
        }
    }
}
