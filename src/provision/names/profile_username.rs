//! Chooses the username of a community profile. Mirrors `ProfileHelper::createUserNameFromStrings` for a user with an
//! id.

use super::super::ProvisionError;
use super::super::claims::{self, Claims};
use super::taken::{As, MOST_ROUNDS, Taken, settle};
use crate::db::{Connection, Statements};
use crate::fluentcommunity::username;
use crate::wordpress::sanitize::Rules;

/// The values from which the profile username of a user with an id is made.
pub(in super::super) struct UsernameSource<'a> {
    pub(in super::super) user_id: u64,
    pub(in super::super) login: &'a str,
    /// Nicename, first name, last name and display name.
    pub(in super::super) fallbacks: [&'a str; 4],
    pub(in super::super) rules: Rules<'a>,
}

impl UsernameSource<'_> {
    fn decide(&self, taken: &mut Taken) -> Option<String> {
        let id = Some(self.user_id);
        let candidates = username::candidates(self.login, &self.fallbacks, id, self.rules);
        first_free(taken, candidates)
    }

    /// Claims a username in the transaction and returns it once it is certainly ours.
    pub(in super::super) async fn reserve(
        &self,
        connection: &mut Connection,
        statements: &Statements,
        claims: &mut Claims,
    ) -> Result<String, ProvisionError> {
        let mut claimed = None;
        for _ in 0..MOST_ROUNDS {
            let (taken, id) = (Taken::default(), self.user_id);
            let (name, _) = settle(taken, connection, statements, id, |taken| {
                self.decide(taken)
            })
            .await?;
            if claimed.as_ref() == Some(&name) {
                return Ok(name);
            }
            let claim = (claims::NAME, name.clone());
            claims.take(connection, statements, vec![claim]).await?;
            claimed = Some(name);
        }
        Err(ProvisionError::NoFreeName)
    }
}

/// Mirrors `isUsernameAvailable` for a known user: another user's login also counts as taken.
pub(super) fn first_free(
    taken: &mut Taken,
    candidates: impl Iterator<Item = String>,
) -> Option<String> {
    let admissible = candidates
        .filter(|name| username::is_admissible(name))
        .map(|name| username::as_stored(&name));
    taken.first_free(admissible, |taken, name| {
        let is_login = taken.is(name, As::Login);
        !taken.is(name, As::Username) && !is_login
    })
}
