//! Finds out whose credentials these are, and what they allow: those of a management request and of a log-in to the console
//! alike, with one limit of guesses.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::super::Front;
use super::credentials::{Access, Peer};
use crate::db::DatabaseError;
use crate::fluentcommunity::webhooks::{Environment, may_look, may_manage};
use crate::telemetry;
use crate::wordpress::application_passwords::{Verified, candidate, verify};

/// The authenticated operator, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::http) enum Operator {
    Token,
    User(u64),
}

impl std::fmt::Display for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Token => f.write_str("the token's holder"),
            Self::User(id) => write!(f, "user {id}"),
        }
    }
}

/// What an operator may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::http) enum Standing {
    /// See everything but secrets.
    Looks,
    /// Change everything.
    Manages,
}

/// A user who is let in.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Admitted {
    pub(in crate::http) standing: Standing,
    pub(in crate::http) verified: Verified,
}

/// Why somebody is not let in.
pub(in crate::http) enum Refusal {
    /// Too many wrong ones before.
    TooMany(Duration),
    /// Sent by a browser on behalf of a page from another origin.
    OtherOrigin,
    /// No credentials that could be checked.
    Anonymous,
    /// Wrong credentials.
    Wrong,
    /// A user without the permission.
    NotAllowed(u64),
    Database(DatabaseError),
}

impl Refusal {
    /// Whether the refusal counts as a guess.
    pub(in crate::http) fn counts(&self) -> bool {
        matches!(self, Self::Wrong | Self::NotAllowed(_))
    }

    pub(in crate::http) fn reason(&self) -> String {
        match self {
            Self::TooMany(_) => "too many wrong credentials before".to_owned(),
            Self::OtherOrigin => "a page from elsewhere asks".to_owned(),
            Self::Anonymous => "no credentials that are accepted".to_owned(),
            Self::Wrong => "wrong credentials".to_owned(),
            Self::NotAllowed(user) => format!("user {user} may not manage webhooks"),
            Self::Database(error) => telemetry::chain(error),
        }
    }
}

/// Compares a token. A right one is never refused for the guesses of others: it is too long to be guessed, however often.
///
/// # Errors
/// It is wrong, or there is none.
pub(in crate::http) fn token(access: &Access, client: Peer, given: &str) -> Result<(), Refusal> {
    let Some(token) = access.token else {
        access.guesses().check(client).map_err(Refusal::TooMany)?;
        return Err(Refusal::Anonymous);
    };
    let sent: [u8; 32] = Sha256::digest(given).into();
    if sent.ct_eq(&token).into() {
        return Ok(());
    }
    let guess = access.guesses().begin(client, given);
    guess.map_err(Refusal::TooMany)?.wrong();
    Err(Refusal::Wrong)
}

/// Verifies an application password of a user who may do at least this much. `credentials` stands for both in the memory of
/// guesses; without a name and a password in it, it is wrong.
///
/// # Errors
/// See [`Refusal`].
pub(in crate::http) async fn password(
    front: &web::Data<Front>,
    access: &Access,
    client: Peer,
    credentials: &str,
    named: Option<(String, SecretString)>,
    least: Standing,
) -> Result<Admitted, Refusal> {
    if !access.application_passwords {
        access.guesses().check(client).map_err(Refusal::TooMany)?;
        return Err(Refusal::Anonymous);
    }
    let guess = access.guesses().begin(client, credentials);
    let guess = guess.map_err(Refusal::TooMany)?;
    let admitted = match named {
        Some((name, password)) => user(front, access, name, password, least).await,
        None => Err(Refusal::Wrong),
    };
    match &admitted {
        Ok(_) => guess.right(),
        Err(refusal) if refusal.counts() => guess.wrong(),
        Err(_) => guess.undecided(),
    }
    admitted
}

async fn user(
    front: &web::Data<Front>,
    access: &Access,
    name: String,
    password: SecretString,
    least: Standing,
) -> Result<Admitted, Refusal> {
    let permit = Arc::clone(&access.verifying).acquire_owned().await;
    let inside = front.clone().into_inner();
    let verified = front.on_main_runtime(async move {
        let _permit = permit;
        let site = &inside.site;
        let found = site.pool.work(async |connection| {
            let environment =
                Environment::read(connection, &site.statements, &site.tables, &inside.portal)
                    .await?;
            let candidate = candidate(connection, &site.statements, &name).await?;
            Ok::<_, DatabaseError>((environment, candidate))
        });
        let (environment, candidate) = found.await.map_err(Refusal::Database)?;
        let version = site.version.version(&environment.options);
        let fast = version.is_none_or(crate::wordpress::version::Version::uses_bcrypt);
        let verifying = tokio::task::spawn_blocking(move || {
            verify(candidate.as_ref(), password.expose_secret(), fast)
        });
        let verified = verifying.await.ok().flatten().ok_or(Refusal::Wrong)?;
        let standing = standing(&inside, verified.user_id, &environment).await;
        match standing.map_err(Refusal::Database)? {
            Some(standing) if standing >= least => Ok(Admitted { standing, verified }),
            _ => Err(Refusal::NotAllowed(verified.user_id)),
        }
    });
    verified.await.unwrap_or(Err(Refusal::Wrong))
}

async fn standing(
    front: &Front,
    user_id: u64,
    environment: &Environment,
) -> Result<Option<Standing>, DatabaseError> {
    let statements = &front.site.statements;
    let roles = environment.options.user_roles.as_deref();
    let work = front.site.pool.work(async |connection| {
        if may_manage(connection, statements, user_id, roles).await? {
            return Ok(Some(Standing::Manages));
        }
        let looks = may_look(connection, statements, user_id, roles).await?;
        Ok::<_, DatabaseError>(looks.then_some(Standing::Looks))
    });
    work.await
}

/// What a user who was let in earlier may do by now; `None` if that password is gone, or the permission.
///
/// # Errors
/// A statement failed.
pub(in crate::http) async fn confirm(
    front: &web::Data<Front>,
    name: String,
    verified: Verified,
) -> Result<Option<Standing>, DatabaseError> {
    let inside = front.clone().into_inner();
    let confirmed = front.on_main_runtime(async move {
        let site = &inside.site;
        let found = site.pool.work(async |connection| {
            let environment =
                Environment::read(connection, &site.statements, &site.tables, &inside.portal)
                    .await?;
            let candidate = candidate(connection, &site.statements, &name).await?;
            Ok::<_, DatabaseError>((environment, candidate))
        });
        let (environment, candidate) = found.await?;
        if !candidate.is_some_and(|candidate| candidate.still_has(&verified)) {
            return Ok(None);
        }
        standing(&inside, verified.user_id, &environment).await
    });
    confirmed.await.unwrap_or(Ok(None))
}
