//! A call for a user who exists: the profile if there is none, and the memberships; on a network he becomes a
//! member of the site. Everything else in the call is ignored, as in PHP.

use super::attempt::Attempt;
use super::claims::{self, Claims};
use super::facts::Facts;
use super::member::Member;
use super::names::UsernameSource;
use super::runs::Uncounted;
use super::writing::Writing;
use super::{Outcome, ProvisionError};
use crate::db::{Batch, Connection};
use crate::fluentcommunity::{memberships, xprofile};
use crate::wordpress::blog::{Blog, Membership, NewMember};
use crate::wordpress::roles;
use crate::wordpress::sanitize::Rules;
use crate::wordpress::time::{format, parse_mysql};
use crate::wordpress::users::{self, LockedUser};

/// Serves `user_id` in one transaction.
pub(super) async fn serve(
    attempt: &Attempt<'_>,
    facts: &Facts,
    user_id: u64,
) -> Result<(Uncounted, Outcome), ProvisionError> {
    let site = attempt.site();
    let _turn = attempt.turn(&user_id.to_string()).await?;
    let work = site
        .pool
        .work(async |connection| serve_on(connection, attempt, facts, user_id).await);
    attempt.transaction(work).await
}

async fn serve_on(
    connection: &mut Connection,
    attempt: &Attempt<'_>,
    facts: &Facts,
    user_id: u64,
) -> Result<(Uncounted, Outcome), ProvisionError> {
    let statements = &attempt.site().statements;
    let mut batch = Batch::begin(statements);
    let mut claims = Claims::of_call(attempt.call.id);
    if statements.has_several_writers() {
        // Before anything is read: whoever commits from here on on another node undoes this transaction.
        let user = (claims::USER, user_id.to_string());
        claims.take_in(&mut batch, statements, vec![user]);
    }
    let user = users::lock_in(&mut batch, statements, user_id);
    let ids = facts.webhook.target_ids();
    let targets = memberships::ask_in(&mut batch, statements, user_id, &ids);
    let blog = facts.blog.as_ref();
    let membership = blog.map(|_| Membership::ask_in(&mut batch, statements, user_id));
    let answers = batch.run(connection).await?;
    let user = LockedUser::read(&answers[user])?.ok_or(ProvisionError::Raced)?;
    let targets = memberships::targets(targets.map(|index| &answers[index]))?;

    let mut writing = Writing::new(attempt, facts, connection, claims);
    let mut batch = Batch::of(statements);
    let mut added_to_site = false;
    if let (Some(blog), Some(membership)) = (blog, membership) {
        let membership = Membership::read(&answers[membership])?;
        added_to_site = add_to(blog, &membership, &writing, &mut batch, user_id);
    }
    let profile_created = !user.has_profile;
    if profile_created {
        create_profile(&mut writing, &mut batch, &user).await?;
    }
    let member = Member {
        user_id,
        created: false,
        profile_created,
        added_to_site,
        welcome_mail: false,
        targets,
    };
    writing.finish(batch, member).await
}

/// A user of the network who is no member of its site becomes one, with the role of new users. Returns whether he did.
fn add_to(
    blog: &Blog,
    membership: &Membership,
    writing: &Writing<'_>,
    batch: &mut Batch,
    user_id: u64,
) -> bool {
    let (site, options) = (writing.attempt.site(), &writing.facts.options);
    if membership.is_member(&site.tables) {
        return false;
    }
    let role = options.role();
    let member = NewMember {
        user_id,
        blog,
        role,
        user_level: roles::user_level(role, options.user_roles.as_deref()),
    };
    membership.add_in(batch, &site.statements, &site.tables, member);
    true
}

async fn create_profile(
    writing: &mut Writing<'_>,
    batch: &mut Batch,
    user: &LockedUser,
) -> Result<(), ProvisionError> {
    let site = writing.attempt.site();
    let options = &writing.facts.options;
    let version = site
        .version
        .version(options)
        .ok_or(ProvisionError::UnknownVersion)?;
    let rules = Rules {
        locale: options.locale(),
        version,
        multisite: site.tables.is_network(),
    };
    let (statements, updated_at) = (&site.statements, writing.local_now());
    let connection = &mut *writing.connection;
    let mut profile = xprofile::facts_from_usermeta(connection, statements, user.id).await?;
    profile.display_name.clone_from(&user.display_name);
    profile.website.clone_from(&user.user_url);
    let source = UsernameSource {
        user_id: user.id,
        login: &user.user_login,
        fallbacks: [
            &user.user_nicename,
            &profile.first_name,
            &profile.last_name,
            &user.display_name,
        ],
        rules,
    };
    let claims = &mut writing.claims;
    let username = source.reserve(connection, statements, claims).await?;
    // The zero date stays one: PHP's conversion makes a date that MySQL stores as such.
    let created_at = parse_mysql(&user.user_registered).map_or_else(
        || user.user_registered.clone(),
        |utc| format(writing.zone.local(utc.and_utc())),
    );
    let dates = [created_at.as_str(), &updated_at];
    xprofile::insert_in(batch, statements, user.id, &username, &profile, dates);
    Ok(())
}
