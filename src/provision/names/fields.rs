//! The names in a call for a new member, and the login, nicename and username derived from them. Mirrors
//! `WebhookModule` (FluentCommunity Pro 2.1.0) and the filters of `wp_insert_user`.

use super::super::claims::{self, Claim, Claims};
use super::super::{Email, ProvisionError, WebhookCall};
use super::profile_username;
use super::taken::{As, MOST_ROUNDS, Taken, settle};
use crate::db::{Batch, Connection, Statements};
use crate::fluentcommunity::username;
use crate::wordpress::catalogue::Catalogue;
use crate::wordpress::php::loose;
use crate::wordpress::sanitize::user_name::sanitize_user;
use crate::wordpress::sanitize::{Rules, name, nicename};

/// `user_login` holds 60 characters.
const LOGIN_LENGTH: usize = 60;

/// The fields from which a new user's names are made, as PHP sees and stores them.
pub struct NameFields<'a> {
    email: &'a Email,
    /// Slashed.
    wished_login: Option<Vec<u8>>,
    /// As given, for deriving a login.
    given_first_name: String,
    given_last_name: String,
    /// User meta `first_name`, as stored; empty if there is none.
    pub first_name: String,
    /// User meta `last_name`, as stored; empty if there is none.
    pub last_name: String,
    /// Both names, joined as is usual in the site's language.
    full_name: String,
    /// Whether WordPress writes the user back, and so filters all of it a second time, for the mail's reset key.
    written_back: bool,
    rules: Rules<'a>,
}

/// The names of a new user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// `user_login`.
    pub login: String,
    /// `user_nicename`.
    pub nicename: String,
    /// `username` of the profile. `None` if so many are taken that PHP's next choice contains the user's id, which is
    /// not known before the row is inserted.
    pub username: Option<String>,
}

impl<'a> NameFields<'a> {
    /// Slashes first, because everything that PHP does works on slashed text.
    pub(in super::super) fn of(
        call: &WebhookCall,
        email: &'a Email,
        language: &Catalogue,
        rules: Rules<'a>,
    ) -> Self {
        let slashed = |name: &[u8]| {
            if loose::is_empty(name) {
                Vec::new()
            } else {
                loose::addslashes(name)
            }
        };
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let (first, last) = (slashed(&call.first_name), slashed(&call.last_name));
        let first_name = name::filter(&first, rules.version);
        let last_name = name::filter(&last, rules.version);
        Self {
            email,
            wished_login: call.user_login.as_deref().map(loose::addslashes),
            given_first_name: text(&first),
            given_last_name: text(&last),
            full_name: name::full_name(&first_name, &last_name, language),
            first_name,
            last_name,
            written_back: false,
            rules,
        }
    }

    /// WordPress writes the whole user back when it creates the reset key of the welcome mail. Filtering a second time
    /// may shorten a value: `1  3` becomes `1 3`.
    pub(in super::super) fn write_back(&mut self) {
        self.written_back = true;
        for text in [
            &mut self.first_name,
            &mut self.last_name,
            &mut self.full_name,
        ] {
            *text = name::filter(&loose::addslashes(text.as_bytes()), self.rules.version);
        }
    }

    /// `user_email`. An address with `&` that is written back is filtered a second time too; its mail is then never
    /// sent.
    pub(in super::super) fn stored_email(&self) -> String {
        if self.written_back {
            self.email.stored_after_reset_key()
        } else {
            self.email.stored().to_owned()
        }
    }

    /// `display_name` of a user with this login.
    pub(in super::super) fn display_name(&self, login: &str) -> String {
        name::display_name(&self.full_name, login, self.rules.version)
    }

    /// Whether PHP would refuse the user for the login that was asked for, whoever has it.
    pub(in super::super) fn is_wished_login_unusable(&self) -> bool {
        let wished = self.wished_login.as_deref();
        wished.is_some_and(|wished| {
            let lax = sanitize_user(wished, false, &self.rules);
            self.usable(&lax).is_none()
        })
    }

    /// Whether the display name is not the whole one.
    pub(in super::super) fn is_full_name_cut(&self) -> bool {
        self.display_name("").chars().count() >= name::DISPLAY_NAME_LENGTH
    }

    /// The names that would be chosen if all were free: where the chosen ones differ, other users have these names.
    pub fn if_all_were_free(&self) -> Option<Names> {
        self.guess().map(|(names, _)| names)
    }

    /// The same, with what it depends on.
    pub(in super::super) fn guess(&self) -> Option<(Names, Taken)> {
        let mut noted = Taken::default();
        self.decide(&mut noted).map(|names| (names, noted))
    }

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
        let display_name = self.display_name(&login);
        let fallbacks = [
            nicename.as_str(),
            &self.first_name,
            &self.last_name,
            &display_name,
        ];
        // Up to the counter 99; the next name would contain the id.
        let candidates = username::candidates(&login, &fallbacks, None, self.rules)
            .take(1 + fallbacks.iter().filter(|text| !text.is_empty()).count() + 99);
        let username = profile_username::first_free(taken, candidates);
        Some(Names {
            login,
            nicename,
            username,
        })
    }

    /// The requested login, if it can be used: PHP refuses the call otherwise.
    fn wished_login(&self, taken: &mut Taken) -> Option<String> {
        let lax = sanitize_user(self.wished_login.as_deref()?, false, &self.rules);
        let login = self.usable(&lax)?;
        let lax = String::from_utf8_lossy(&lax);
        let is_free = !taken.is(&lax, As::Login) && !taken.is(&login, As::Login);
        is_free.then_some(login)
    }

    /// Derived as in FluentCommunity, except that an existing login counts as taken, and candidates that cannot be a
    /// login are skipped.
    fn derived_login(&self, taken: &mut Taken) -> Option<String> {
        let fallbacks = [&*self.given_first_name, &*self.given_last_name];
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

    /// The claims that stand for these names until they are in the tables.
    fn claims(&self, names: &Names) -> Vec<Claim> {
        let Names {
            login,
            nicename,
            username,
        } = names;
        let mut all: Vec<&String> = [login, nicename].into_iter().chain(username).collect();
        all.sort_unstable();
        all.dedup();
        let names = all.into_iter().map(|name| (claims::NAME, name.clone()));
        let email = (claims::EMAIL, self.email.stored().to_owned());
        std::iter::once(email).chain(names).collect()
    }

    /// Claims the guessed names at the beginning of the transaction, looks them up behind the claims, claims others if
    /// necessary, and returns those that are ours.
    ///
    /// Returns [`ProvisionError::Raced`] if the address got a user in the meantime.
    pub(in super::super) async fn reserve(
        &self,
        mut begin: Batch,
        connection: &mut Connection,
        statements: &Statements,
        (mut names, mut taken): (Names, Taken),
        claims: &mut Claims,
    ) -> Result<Names, ProvisionError> {
        let forms = self.email.forms();
        claims.take_in(&mut begin, statements, self.claims(&names));
        let look = taken.look_in(&forms, &mut begin, statements);
        let answers = begin.run(connection).await?;
        if let Some(look) = look {
            taken.looked(&forms, &answers[look]);
        }
        for _ in 0..MOST_ROUNDS {
            for form in &forms {
                taken.is(form, As::Email);
            }
            let confirmed;
            (confirmed, taken) =
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
            // What was free has to be looked up again behind the claims.
            taken.forget_free(&forms);
        }
        Err(ProvisionError::NoFreeName)
    }
}

/// The base, or the base with the first number that makes it free.
fn free_nicename(taken: &mut Taken, base: &str) -> Option<String> {
    let numbered = (2_u32..).map(|n| nicename::numbered(base, n));
    let nicenames = std::iter::once(base.to_owned()).chain(numbered);
    taken.first_free(nicenames, |taken, name| !taken.is(name, As::Nicename))
}

/// A derived name, shortened to fit into `user_login` without losing its number.
fn shortened(name: String) -> String {
    if name.len() <= LOGIN_LENGTH || !name.is_ascii() {
        return name;
    }
    let number = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let number = number.min(9);
    let (text, number) = name.split_at(name.len() - number);
    format!("{}{number}", &text[..LOGIN_LENGTH - number.len()])
}

#[cfg(test)]
mod tests {
    use super::super::super::call::sample_call;
    use super::*;
    use crate::wordpress::version::Version;

    /// This lets a plan explain why a user is called `ann2`.
    #[test]
    fn what_others_have_shows_against_the_names_that_there_would_be() {
        let call = sample_call(b"ann@example.com");
        let rules = Rules {
            locale: "en_US",
            version: Version::NEWEST,
            multisite: false,
        };
        let email = call.email.as_ref().unwrap();
        let fields = NameFields::of(&call, email, &Catalogue::default(), rules);
        let wished = fields.if_all_were_free().unwrap();
        assert_eq!((&*wished.login, &*wished.nicename), ("ann", "ann"));
        let mut taken = Taken::with("ann", As::Login);
        let names = fields.decide(&mut taken).unwrap();
        assert_eq!(names.login, "ann2");
    }
}
