//! A call for an address that nobody has: a WordPress user, made as `wp_insert_user` makes one, with a community profile.

use super::attempt::Attempt;
use super::claims::Claims;
use super::facts::Facts;
use super::member::Member;
use super::names::{Names, NewUserNames, UsernameSource};
use super::runs::Uncounted;
use super::writing::Writing;
use super::{Email, Outcome, ProvisionError, WelcomeMail};
use crate::db::{Batch, Connection};
use crate::fluentcommunity::memberships;
use crate::fluentcommunity::xprofile::{self, ProfileFacts};
use crate::wordpress::options::SiteOptions;
use crate::wordpress::php::loose;
use crate::wordpress::roles;
use crate::wordpress::sanitize::{Rules, name};
use crate::wordpress::usermeta::{self, NewUserMeta};
use crate::wordpress::users::NewUser;
use crate::wordpress::version::Version;

/// Creates the user and everything that belongs to it in one transaction.
pub(super) async fn create(
    attempt: &Attempt<'_>,
    facts: &mut Facts,
    email: &Email,
) -> Result<(Uncounted, Outcome), ProvisionError> {
    let (calls, site) = (attempt.calls, attempt.site());
    let statements = &site.statements;
    let _place = calls.lanes.enter()?;
    let version = site
        .version
        .version(&facts.options)
        .ok_or(ProvisionError::UnknownVersion)?;
    let locale = facts.options.locale().to_owned();
    let rules = Rules {
        locale: &locale,
        version,
        multisite: site.tables.is_network(),
    };
    calls.last_rules.remember(rules);
    let welcome_mail =
        facts.webhook.welcome_email && calls.new_users.welcome_mail != WelcomeMail::Off;
    let mut new = NewMember::from_call(attempt, rules);
    if welcome_mail {
        new.filter_again(version);
    }
    let wanted = new.names(email, rules);
    let guess = wanted
        .choose(&site.pool, statements, std::mem::take(&mut facts.taken))
        .await?;
    let hash = attempt.password_hash(version).await?;
    let _lane = calls.lanes.connection().await;
    let _turn = attempt.turn(&guess.login.to_lowercase()).await?;
    let prepared = Prepared {
        email,
        wanted: &wanted,
        guess,
        password_hash: hash,
        new: &new,
        welcome_mail,
    };
    let work = site
        .pool
        .work(async |connection| write(connection, attempt, facts, prepared).await);
    attempt.transaction(work).await
}

/// The names that the user of a call would probably get, if he is new and the site is what it was.
pub(super) fn likely_names(attempt: &Attempt<'_>, email: &Email) -> Vec<String> {
    attempt.calls.last_rules.with(|rules| {
        let new = NewMember::from_call(attempt, rules);
        new.names(email, rules).first_questions()
    })
}

/// A new user, as far as known before the transaction.
struct Prepared<'a> {
    email: &'a Email,
    wanted: &'a NewUserNames<'a>,
    guess: Names,
    password_hash: &'a str,
    new: &'a NewMember,
    welcome_mail: bool,
}

async fn write(
    connection: &mut Connection,
    attempt: &Attempt<'_>,
    facts: &Facts,
    prepared: Prepared<'_>,
) -> Result<(Uncounted, Outcome), ProvisionError> {
    let Prepared {
        email,
        wanted,
        new,
        welcome_mail,
        ..
    } = prepared;
    let (site, options, rules) = (attempt.site(), &facts.options, wanted.rules);
    let statements = &site.statements;
    let claims = Claims::of_call(attempt.call.id);
    let mut writing = Writing::new(attempt, facts, connection, claims);
    let connection = &mut *writing.connection;
    let mut batch = Batch::begin(statements);
    let claims = wanted.claims(&prepared.guess);
    writing.claims.take_in(&mut batch, statements, claims);
    batch.run(connection).await?;
    let names = wanted
        .reserve(connection, statements, prepared.guess, &mut writing.claims)
        .await?;
    let user = NewUser {
        login: &names.login,
        password_hash: prepared.password_hash,
        nicename: &names.nicename,
        email: &stored_email(email, welcome_mail),
        display_name: &new.display_name(&names.login, rules.version),
        registered: writing.now,
    };
    let user_id = user.insert(connection, statements).await?;
    let mut batch = Batch::of(statements);
    let meta = new.meta(&names.login, options);
    let rows = meta.rows(site.tables.prefix(), rules.version);
    usermeta::insert_in(&mut batch, statements, user_id, &rows);
    let username = names.username.clone();
    create_profile(
        &mut writing,
        &mut batch,
        user_id,
        &user,
        new,
        username,
        rules,
    )
    .await?;
    // Somebody who had this id before may have left rows.
    let ids = facts.webhook.target_ids();
    let targets = memberships::ask_in(&mut batch, statements, user_id, &ids);
    let answers = batch.run(writing.connection).await?;
    let member = Member {
        user_id,
        created: true,
        profile_created: true,
        added_to_site: false,
        welcome_mail: welcome_mail && email.receives_mail(),
        targets: memberships::targets(targets.map(|index| &answers[index]))?,
    };
    writing.finish(Batch::of(statements), member).await
}

/// `username` is known unless so many names are taken that PHP's next choice holds the user's id.
async fn create_profile(
    writing: &mut Writing<'_>,
    batch: &mut Batch,
    user_id: u64,
    user: &NewUser<'_>,
    new: &NewMember,
    username: Option<String>,
    rules: Rules<'_>,
) -> Result<(), ProvisionError> {
    let statements = &writing.attempt.site().statements;
    let now = writing.local_now();
    let connection = &mut *writing.connection;
    let username = if let Some(username) = username {
        username
    } else {
        let source = UsernameSource {
            user_id,
            login: user.login,
            fallbacks: [
                user.nicename,
                &new.first_name,
                &new.last_name,
                user.display_name,
            ],
            rules,
        };
        source
            .reserve(connection, statements, &mut writing.claims)
            .await?
    };
    let profile = ProfileFacts {
        first_name: new.first_name.clone(),
        last_name: new.last_name.clone(),
        display_name: user.display_name.to_owned(),
        ..ProfileFacts::default()
    };
    let dates = [now.as_str(), &now];
    xprofile::insert_in(batch, statements, user_id, &username, &profile, dates);
    Ok(())
}

/// The reset key of the welcome mail has WordPress filter an address with `&` a second time, too; the mail itself is then
/// never sent.
fn stored_email(email: &Email, welcome_mail: bool) -> String {
    if welcome_mail {
        email.stored_after_reset_key()
    } else {
        email.stored().to_owned()
    }
}

/// The optional fields of a call, as PHP sees and stores them.
struct NewMember {
    wished_login: Option<Vec<u8>>,
    given_first_name: String,
    given_last_name: String,
    first_name: String,
    last_name: String,
    full_name: String,
    /// Whether this is what is left of it after WordPress has written the user back.
    written_back: bool,
}

impl NewMember {
    /// Slashes first, because everything that PHP does is done with slashed text.
    fn from_call(attempt: &Attempt<'_>, rules: Rules<'_>) -> Self {
        let (call, version) = (attempt.call, rules.version);
        let slashed = |name: &[u8]| {
            if loose::is_empty(name) {
                Vec::new()
            } else {
                loose::addslashes(name)
            }
        };
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        let (first, last) = (slashed(&call.first_name), slashed(&call.last_name));
        let (first_name, last_name) = (name::filter(&first, version), name::filter(&last, version));
        let language = attempt.site().catalogues.of(rules.locale);
        Self {
            wished_login: call.user_login.as_deref().map(loose::addslashes),
            given_first_name: text(&first),
            given_last_name: text(&last),
            full_name: name::full_name(&first_name, &last_name, &language),
            first_name,
            last_name,
            written_back: false,
        }
    }

    /// WordPress writes the whole user back when it makes the reset key of the welcome mail, and what it filters a second
    /// time may become shorter: `1  3` becomes `1 3`.
    fn filter_again(&mut self, version: Version) {
        self.written_back = true;
        for name in [
            &mut self.first_name,
            &mut self.last_name,
            &mut self.full_name,
        ] {
            *name = name::filter(&loose::addslashes(name.as_bytes()), version);
        }
    }

    fn names<'a>(&'a self, email: &'a Email, rules: Rules<'a>) -> NewUserNames<'a> {
        NewUserNames {
            email,
            wished_login: self.wished_login.as_deref(),
            given_names: [&self.given_first_name, &self.given_last_name],
            stored_names: [&self.first_name, &self.last_name],
            full_name: &self.full_name,
            written_back: self.written_back,
            rules,
        }
    }

    fn meta<'a>(&'a self, login: &'a str, options: &'a SiteOptions) -> NewUserMeta<'a> {
        let role = options.role();
        NewUserMeta {
            nickname: login,
            first_name: &self.first_name,
            last_name: &self.last_name,
            role,
            user_level: roles::user_level(role, options.user_roles.as_deref()),
        }
    }

    fn display_name(&self, login: &str, version: Version) -> String {
        name::display_name(&self.full_name, login, version)
    }
}
