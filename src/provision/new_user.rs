//! Executes a call for an address that no user has: creates a WordPress user as `wp_insert_user` does, and a community
//! profile.
//!
//! Most names are free, so they are claimed without a look when the transaction begins, and looked up behind the claims.
//! Then the row is inserted, because everything else needs its id.

use super::execution::Execution;
use super::facts::Facts;
use super::member::{CreatedUser, Member};
use super::names::{NameFields, Names, Taken, UsernameSource};
use super::transaction::Transaction;
use super::{Email, ProvisionError, WelcomeMail};
use crate::db::Batch;
use crate::fluentcommunity::memberships;
use crate::fluentcommunity::xprofile::{NewProfile, ProfileFacts};
use crate::wordpress::roles;
use crate::wordpress::sanitize::Rules;
use crate::wordpress::usermeta::{MetaRows, NewUserMeta};
use crate::wordpress::users;

/// A new user, as far as known before anything is locked.
pub(super) struct PreparedUser<'a> {
    fields: NameFields<'a>,
    rules: Rules<'a>,
    receives_mail: bool,
    /// Others may have them; with what the guess depends on.
    guess: (Names, Taken),
    password_hash: &'a str,
}

impl PreparedUser<'_> {
    /// The name under which calls that want the same login queue. Lower case, because the database ignores case.
    pub(super) fn wanted_login(&self) -> String {
        self.guess.0.login.to_lowercase()
    }
}

/// Chooses names as if all were free, and hashes the password, both outside any transaction.
pub(super) async fn prepare<'a>(
    execution: &'a Execution<'a>,
    facts: &'a Facts,
    email: &'a Email,
) -> Result<PreparedUser<'a>, ProvisionError> {
    let calls = execution.calls;
    let rules = facts.rules(execution.site())?;
    let mut fields = name_fields(execution, email, rules);
    if facts.webhook.welcome_email && calls.new_users.welcome_mail != WelcomeMail::Off {
        fields.write_back();
    }
    let guess = fields.guess().ok_or(ProvisionError::NoFreeName)?;
    Ok(PreparedUser {
        fields,
        rules,
        receives_mail: email.receives_mail(),
        guess,
        password_hash: execution.password_hash(rules.version).await?,
    })
}

fn name_fields<'a>(
    execution: &Execution<'_>,
    email: &'a Email,
    rules: Rules<'a>,
) -> NameFields<'a> {
    let language = execution.site().catalogues.of(rules.locale);
    NameFields::of(execution.call, email, &language, rules)
}

/// Claims the names, confirms them, and inserts the row. The member's other rows are still to be written.
pub(super) async fn insert<'a>(
    transaction: &mut Transaction<'a>,
    prepared: PreparedUser<'a>,
) -> Result<Member<'a>, ProvisionError> {
    let PreparedUser {
        fields,
        rules,
        receives_mail,
        guess,
        password_hash,
    } = prepared;
    let (statements, facts) = (transaction.statements(), transaction.facts);
    let (begin, claims) = (Batch::begin(statements), &mut transaction.claims);
    let connection = &mut *transaction.connection;
    let names = fields.reserve(begin, connection, statements, guess, claims);
    let names = names.await?;
    let new_user = CreatedUser {
        email: fields.stored_email(),
        display_name: fields.display_name(&names.login),
        fields,
        names,
        receives_mail,
    };
    let row = users::NewUser {
        login: &new_user.names.login,
        password_hash,
        nicename: &new_user.names.nicename,
        email: &new_user.email,
        display_name: &new_user.display_name,
        registered: transaction.now,
    };
    let mut batch = Batch::of(statements);
    let insert = row.insert_in(&mut batch, statements);
    let ids = facts.webhook.target_ids();
    let spaces = memberships::ask_in(&mut batch, statements, None, &ids);
    let leftovers = &transaction.execution.calls.leftovers;
    let inserted = leftovers.insert_checked(batch, insert, connection, statements);
    let (user_id, answers) = inserted.await?;

    let profile = profile(transaction, &new_user, user_id, rules).await?;
    let role = facts.options.role();
    let meta = NewUserMeta {
        nickname: &new_user.names.login,
        first_name: &new_user.fields.first_name,
        last_name: &new_user.fields.last_name,
        role,
        user_level: roles::user_level(role, facts.options.user_roles.as_deref()),
    };
    let prefix = transaction.site().tables.prefix();
    Ok(Member {
        user_id,
        usermeta: MetaRows {
            update: Vec::new(),
            insert: meta.rows(prefix, rules.version),
        },
        profile: Some(profile),
        spaces: memberships::spaces(spaces.map(|index| &answers[index]))?,
        created: Some(new_user),
    })
}

/// The username is known unless so many names are taken that PHP's next choice contains the user's id.
async fn profile(
    transaction: &mut Transaction<'_>,
    user: &CreatedUser<'_>,
    user_id: u64,
    rules: Rules<'_>,
) -> Result<NewProfile, ProvisionError> {
    let CreatedUser {
        fields,
        names,
        display_name,
        ..
    } = user;
    let username = if let Some(username) = &names.username {
        username.clone()
    } else {
        let source = UsernameSource {
            user_id,
            login: &names.login,
            fallbacks: [
                &names.nicename,
                &fields.first_name,
                &fields.last_name,
                display_name,
            ],
            rules,
        };
        transaction.reserve(&source).await?
    };
    let now = transaction.local_now();
    Ok(NewProfile {
        username,
        facts: ProfileFacts {
            first_name: fields.first_name.clone(),
            last_name: fields.last_name.clone(),
            display_name: display_name.clone(),
            ..ProfileFacts::default()
        },
        created_at: now.clone(),
        updated_at: now,
    })
}
