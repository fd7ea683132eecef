//! The names of a new member: login, nicename and community username. Deciding is pure: names that nobody has asked the
//! database about count as free and are noted; then the database is asked about all of them at once, and it is decided
//! again, until nothing is unknown.

use std::collections::HashMap;

use sqlx::Row;

use super::claims::{self, Claim, Claims};
use super::{Email, ProvisionError};
use crate::db::{Connection, DatabaseError, Doing, Pool, Statements};
use crate::fluentcommunity::username;
use crate::wordpress::php::loose;
use crate::wordpress::sanitize::user_name::sanitize_user;
use crate::wordpress::sanitize::{Rules, name, nicename};

/// `user_login` holds 60 characters.
const LOGIN_LENGTH: usize = 60;
/// Names tried before we give up.
const MOST_CANDIDATES: usize = 20_000;
/// Claims are taken and confirmed anew this often; each round another call has finished with the name.
const MOST_ROUNDS: usize = 1_000;
/// Names asked about in one statement.
const ASKED_AT_ONCE: usize = 64;
/// Names asked about before anything else is known.
const ASKED_BEFOREHAND: usize = 4;

/// What a name is already: bits of `names_taken.sql`.
#[derive(Clone, Copy)]
enum As {
    Login = 1,
    Nicename = 2,
    Username = 4,
    Email = 8,
}

/// What is known about names.
#[derive(Default)]
pub(super) struct Taken {
    known: HashMap<String, u8>,
    unknown: Vec<String>,
    rounds: u32,
}

impl Taken {
    /// From the answer to [`NewUserNames::first_questions`]: a list of numbers, as in `names_taken.sql`.
    pub(super) fn read(questions: &[String], answers: &str) -> Self {
        let bits = answers.split(',').filter_map(|bits| bits.parse().ok());
        Self {
            known: questions.iter().cloned().zip(bits).collect(),
            ..Self::default()
        }
    }

    /// Whether somebody has the name; no, if nobody knows yet.
    fn is(&mut self, name: &str, kind: As) -> bool {
        if let Some(bits) = self.known.get(name) {
            return bits & kind as u8 != 0;
        }
        if !self.unknown.iter().any(|asked| asked == name) {
            self.unknown.push(name.to_owned());
        }
        false
    }

    /// The first candidate that is free. If that is a guess, some that follow are noted as well, more in each round, so
    /// that a long row of taken names costs few questions.
    fn first_free<T>(
        &mut self,
        candidates: impl Iterator<Item = T>,
        mut is_free: impl FnMut(&mut Self, &T) -> bool,
    ) -> Option<T> {
        let mut candidates = candidates.take(MOST_CANDIDATES);
        let noted = self.unknown.len();
        let found = candidates.find(|candidate| is_free(self, candidate))?;
        if self.unknown.len() > noted {
            let ahead = (4_usize.saturating_pow(self.rounds) - 1).min(ASKED_AT_ONCE);
            for candidate in candidates.take(ahead) {
                is_free(self, &candidate);
            }
        }
        Some(found)
    }

    /// Asks the database about what is unknown. `own_id` is the user whose own names do not count, 0 for none. Returns
    /// whether there was anything to ask.
    async fn ask(
        &mut self,
        connection: &mut Connection,
        statements: &Statements,
        own_id: u64,
    ) -> Result<bool, DatabaseError> {
        let unknown = std::mem::take(&mut self.unknown);
        self.rounds += 1;
        for names in unknown.chunks(ASKED_AT_ONCE) {
            let sql = statements.names_taken.repeated(names.len());
            let query = names.iter().fold(sqlx::query(sql), |query, name| {
                query
                    .bind(name)
                    .bind(own_id)
                    .bind(name)
                    .bind(name)
                    .bind(own_id)
                    .bind(name)
            });
            let row = query
                .fetch_one(&mut *connection)
                .await
                .doing("look for taken names")?;
            for (index, name) in names.iter().enumerate() {
                let bits: i64 = row.try_get(index).doing("read which names are taken")?;
                self.known
                    .insert(name.clone(), u8::try_from(bits).unwrap_or(u8::MAX));
            }
        }
        Ok(!unknown.is_empty())
    }
}

/// What a new user's names are made of.
pub(super) struct NewUserNames<'a> {
    /// The address.
    pub(super) email: &'a Email,
    /// The wished login, slashed.
    pub(super) wished_login: Option<&'a [u8]>,
    /// First and last name as given, for deriving a login.
    pub(super) given_names: [&'a str; 2],
    /// First and last name as stored.
    pub(super) stored_names: [&'a str; 2],
    /// Both of them, as the site's language puts them together.
    pub(super) full_name: &'a str,
    /// Whether WordPress filters all of it a second time, as it does for the mail's reset key.
    pub(super) written_back: bool,
    /// How WordPress sanitises.
    pub(super) rules: Rules<'a>,
}

/// The names of a new user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) login: String,
    pub(super) nicename: String,
    /// `None`: so many are taken that PHP's next choice holds the user's id, which nobody knows yet.
    pub(super) username: Option<String>,
}

impl NewUserNames<'_> {
    fn decide(&self, taken: &mut Taken) -> Option<Names> {
        let login = match self.wished_login(taken) {
            Some(login) => login,
            None => self.derived_login(taken)?,
        };
        let mut nicename = free_nicename(taken, &nicename::from_login(&login))?;
        if self.written_back {
            let again = nicename::filtered_again(&nicename, &self.rules);
            let is_refused = again.is_empty() && self.rules.version.refuses_empty_nicename();
            if again != nicename && !is_refused {
                nicename = free_nicename(taken, &again)?;
            }
        }
        let [first, last] = self.stored_names;
        let display_name = name::display_name(self.full_name, &login, self.rules.version);
        let fallbacks = [nicename.as_str(), first, last, &display_name];
        // Up to the counter 99; the next name would hold the id.
        let candidates = username::candidates(&login, &fallbacks, None, self.rules)
            .take(1 + fallbacks.iter().filter(|text| !text.is_empty()).count() + 99);
        let username = first_free_username(taken, candidates);
        Some(Names {
            login,
            nicename,
            username,
        })
    }

    /// The wished login, if it can be used: PHP refuses the call otherwise.
    fn wished_login(&self, taken: &mut Taken) -> Option<String> {
        let lax = sanitize_user(self.wished_login?, false, &self.rules);
        let login = self.usable(&lax)?;
        let lax = String::from_utf8_lossy(&lax);
        let is_free = !taken.is(&lax, As::Login) && !taken.is(&login, As::Login);
        is_free.then_some(login)
    }

    /// As FluentCommunity derives it, but a login that exists counts as taken, and what cannot be a login is passed over.
    fn derived_login(&self, taken: &mut Taken) -> Option<String> {
        let [first, last] = self.given_names;
        let fallbacks = [first, last];
        let candidates =
            username::candidates(self.email.given(), &fallbacks, None, self.rules).map(shortened);
        let logins = candidates.filter_map(|name| {
            let login = self.usable(name.as_bytes())?;
            username::is_admissible(&name).then_some((name, login))
        });
        let is_free = |taken: &mut Taken, (name, login): &(String, String)| {
            let is_username = taken.is(name, As::Username);
            !taken.is(login, As::Login) && !is_username
        };
        taken.first_free(logins, is_free).map(|(_, login)| login)
    }

    /// The login that `wp_insert_user` makes of a name, if it accepts it.
    fn usable(&self, name: &[u8]) -> Option<String> {
        let login = String::from_utf8(sanitize_user(name, true, &self.rules)).ok()?;
        let nicename = nicename::from_login(&login);
        let usable = !loose::is_empty(login.as_bytes())
            && login.len() <= LOGIN_LENGTH
            && (!loose::is_empty(nicename.as_bytes())
                || !self.rules.version.refuses_empty_nicename());
        usable.then_some(login)
    }

    /// What stands for these names while they are not in the tables.
    pub(super) fn claims(&self, names: &Names) -> Vec<Claim> {
        let mut claims = vec![
            (claims::EMAIL, self.email.stored().to_owned()),
            (claims::LOGIN, names.login.clone()),
            (claims::NICENAME, names.nicename.clone()),
        ];
        claims.extend(names.username.clone().map(|name| (claims::USERNAME, name)));
        claims
    }

    /// What the database has to be asked first, as far as can be told beforehand.
    pub(super) fn first_questions(&self) -> Vec<String> {
        let mut taken = Taken::default();
        self.decide(&mut taken);
        taken.unknown.truncate(ASKED_BEFOREHAND);
        taken.unknown
    }

    /// What the names would be now, without claiming them. `taken` is what is known already; often that is enough.
    pub(super) async fn choose(
        &self,
        pool: &Pool,
        statements: &Statements,
        mut taken: Taken,
    ) -> Result<Names, ProvisionError> {
        let decided = self.decide(&mut taken);
        if taken.unknown.is_empty() {
            return decided.ok_or(ProvisionError::NoFreeName);
        }
        pool.work(async |connection| {
            settle(taken, connection, statements, 0, |taken| self.decide(taken)).await
        })
        .await
        .map(|(names, _)| names)
    }

    /// Asks about the claimed names in the transaction, claims others if need be, and returns those that are surely ours.
    ///
    /// [`ProvisionError::Raced`] says that the address got a user in the meantime.
    pub(super) async fn reserve(
        &self,
        connection: &mut Connection,
        statements: &Statements,
        mut names: Names,
        claims: &mut Claims,
    ) -> Result<Names, ProvisionError> {
        let forms = self.email.forms();
        for _ in 0..MOST_ROUNDS {
            let mut taken = Taken::default();
            for form in &forms {
                taken.is(form, As::Email);
            }
            let (confirmed, mut taken) =
                settle(taken, connection, statements, 0, |taken| self.decide(taken)).await?;
            if forms.iter().any(|form| taken.is(form, As::Email)) {
                return Err(ProvisionError::Raced);
            }
            if confirmed == names {
                return Ok(names);
            }
            names = confirmed;
            let wanted = self.claims(&names);
            claims.take(connection, statements, wanted).await?;
        }
        Err(ProvisionError::NoFreeName)
    }
}

/// What the profile username of a user with an id is made of.
pub(super) struct UsernameSource<'a> {
    pub(super) user_id: u64,
    pub(super) login: &'a str,
    /// Nicename, first name, last name and display name.
    pub(super) fallbacks: [&'a str; 4],
    pub(super) rules: Rules<'a>,
}

impl UsernameSource<'_> {
    fn decide(&self, taken: &mut Taken) -> Option<String> {
        let id = Some(self.user_id);
        let candidates = username::candidates(self.login, &self.fallbacks, id, self.rules);
        first_free_username(taken, candidates)
    }

    /// Claims a username in the transaction and returns it once it is surely ours.
    pub(super) async fn reserve(
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
            let claim = (claims::USERNAME, name.clone());
            claims.take(connection, statements, vec![claim]).await?;
            claimed = Some(name);
        }
        Err(ProvisionError::NoFreeName)
    }
}

/// The base, or with the first number that makes it free.
fn free_nicename(taken: &mut Taken, base: &str) -> Option<String> {
    let numbered = (2_u32..).map(|n| nicename::numbered(base, n));
    let nicenames = std::iter::once(base.to_owned()).chain(numbered);
    taken.first_free(nicenames, |taken, name| !taken.is(name, As::Nicename))
}

/// Mirrors `isUsernameAvailable` for a known user: another user's login counts as taken too.
fn first_free_username(
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

/// Decides until the database has been asked about every name that the decision rests on.
async fn settle<T>(
    mut taken: Taken,
    connection: &mut Connection,
    statements: &Statements,
    own_id: u64,
    decide: impl Fn(&mut Taken) -> Option<T>,
) -> Result<(T, Taken), ProvisionError> {
    loop {
        let decided = decide(&mut taken);
        if !taken.ask(connection, statements, own_id).await? {
            return decided
                .map(|decided| (decided, taken))
                .ok_or(ProvisionError::NoFreeName);
        }
    }
}

/// A derived name that fits into `user_login`, its number kept.
fn shortened(name: String) -> String {
    if name.len() <= LOGIN_LENGTH || !name.is_ascii() {
        return name;
    }
    let number = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number = number.min(9);
    let (text, number) = name.split_at(name.len() - number);
    format!("{}{number}", &text[..LOGIN_LENGTH - number.len()])
}
