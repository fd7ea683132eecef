//! Executes a call for an existing user: creates the profile if there is none, and updates the memberships; on a
//! network also the membership of the site. Everything else in the call is ignored, as in PHP.

use super::ProvisionError;
use super::call::basic_plane;
use super::claims;
use super::member::Member;
use super::names::UsernameSource;
use super::transaction::Transaction;
use crate::db::Batch;
use crate::fluentcommunity::memberships;
use crate::fluentcommunity::xprofile::{self, NewProfile};
use crate::wordpress::blog::{NewSiteMember, SiteMembership};
use crate::wordpress::roles;
use crate::wordpress::time::{format, parse_mysql};
use crate::wordpress::usermeta::MetaRows;
use crate::wordpress::users::{self, LockedUser, UserRow};

/// Locks the user's row, then reads the user's data behind the lock.
///
/// # Errors
/// Also [`ProvisionError::Unrendered`].
pub(super) async fn lock<'a>(
    transaction: &mut Transaction<'a>,
    user_id: u64,
) -> Result<Member<'a>, ProvisionError> {
    let (statements, facts) = (transaction.statements(), transaction.facts);
    let mut batch = Batch::begin(statements);
    if statements.has_several_writers() {
        // The claim comes before any read: from here on, a commit on another node rolls this transaction back.
        let user = (claims::USER, user_id.to_string());
        transaction
            .claims
            .take_in(&mut batch, statements, vec![user]);
    }
    let user = users::lock_in(&mut batch, statements, user_id);
    let ids = facts.webhook.target_ids();
    let spaces = memberships::ask_in(&mut batch, statements, Some(user_id), &ids);
    let blog = facts.blog.as_ref();
    let membership = blog.map(|_| SiteMembership::ask_in(&mut batch, statements, user_id));
    let answers = batch.run(transaction.connection).await?;
    // Rows are dated from the moment of the lock, not from the start of the wait for it.
    transaction.now = transaction.site().clock.now();
    let user = LockedUser::read(&answers[user])?.ok_or(ProvisionError::Raced)?;
    let membership = membership.map(|index| SiteMembership::read(&answers[index]));
    let usermeta = match membership.transpose()? {
        Some(membership) => joining_site(transaction, &membership),
        None => MetaRows::default(),
    };
    let profile = if user.has_profile {
        None
    } else {
        Some(profile(transaction, user_id).await?)
    };
    Ok(Member {
        user_id,
        created: None,
        usermeta,
        profile,
        spaces: memberships::spaces(spaces.map(|index| &answers[index]))?,
    })
}

/// A user of the network who is not yet a member of its site becomes one, with the role of new users.
fn joining_site(transaction: &Transaction<'_>, membership: &SiteMembership) -> MetaRows {
    let (tables, facts) = (&transaction.site().tables, transaction.facts);
    let role = facts.options.role();
    match &facts.blog {
        Some(blog) if !membership.is_member(tables) => {
            let user_level = roles::user_level(role, facts.options.user_roles.as_deref());
            let member = NewSiteMember {
                blog,
                role,
                user_level,
            };
            membership.joining(tables, member)
        }
        _ => MetaRows::default(),
    }
}

async fn profile(
    transaction: &mut Transaction<'_>,
    user_id: u64,
) -> Result<NewProfile, ProvisionError> {
    let (site, statements) = (transaction.site(), transaction.statements());
    let rules = transaction.facts.rules(site)?;
    let mut batch = Batch::of(statements);
    let user = UserRow::ask_in(&mut batch, statements, user_id);
    let usermeta = xprofile::ask_usermeta_in(&mut batch, statements, user_id);
    let answers = batch.run(transaction.connection).await?;
    let user = UserRow::read(&answers[user])?.ok_or(ProvisionError::Raced)?;
    let mut facts = xprofile::facts_from_usermeta(&answers[usermeta])?;
    facts.display_name.clone_from(&user.display_name);
    facts.website.clone_from(&user.user_url);
    let mut login = user.user_login.clone();
    if transaction.execution.call.basic_plane {
        for text in facts.texts().into_iter().chain([&mut login]) {
            *text = basic_plane(text);
        }
    }
    let biography = &transaction.execution.biography;
    facts.description_rendered = biography.html(&facts.description)?;
    let source = UsernameSource {
        user_id,
        login: &login,
        fallbacks: [
            &user.user_nicename,
            &facts.first_name,
            &facts.last_name,
            &facts.display_name,
        ],
        rules,
    };
    let username = transaction.reserve(&source).await?;
    // The zero date is kept: PHP's conversion yields a date that MySQL stores as the zero date.
    let created_at = parse_mysql(&user.user_registered).map_or_else(
        || user.user_registered.clone(),
        |utc| format(transaction.zone.local(utc.and_utc())),
    );
    Ok(NewProfile {
        username,
        facts,
        created_at,
        updated_at: transaction.local_now(),
    })
}
