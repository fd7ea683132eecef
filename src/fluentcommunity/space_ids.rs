//! User meta `_fcom_space_ids`: the list from which the feed is filtered, rewritten when a user leaves something.
//! Mirrors `User::cacheAccessSpaces` and `Helper::isModerator`, core 2.8.1.

use sqlx::FromRow;

use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::wordpress::php::{self, Array, Value, loose};
use crate::wordpress::roles::user_has_capability;
use crate::wordpress::usermeta;

const META_KEY: &str = "_fcom_space_ids";

#[derive(FromRow)]
struct SpaceRow {
    space_id: u64,
    is_public: bool,
    is_member: bool,
}

/// Rewrites the list of `user_id`. `not_yet` are the spaces that were joined after the last leave, which PHP's list does
/// not show either; `roles_option` is the serialised `{prefix}user_roles`.
///
/// # Errors
/// A statement failed.
pub async fn rewrite(
    connection: &mut Connection,
    statements: &Statements,
    user_id: u64,
    not_yet: &[u64],
    roles_option: Option<&[u8]>,
) -> Result<(), DatabaseError> {
    let sees_all = is_moderator(connection, statements, user_id, roles_option).await?;
    let spaces: Vec<SpaceRow> = sqlx::query_as(statements.space_ids_of_user.sql())
        .bind(user_id.to_string())
        .fetch_all(&mut *connection)
        .await
        .doing("read the user's spaces")?;
    let visible = spaces.iter().filter(|space| {
        let is_member = space.is_member && !not_yet.contains(&space.space_id);
        sees_all || space.is_public || is_member
    });
    let ids = Array::list(visible.map(|space| Value::Int(space.space_id.cast_signed())));
    let value = Value::Array(ids).write();
    usermeta::update(connection, statements, user_id, META_KEY, &value).await
}

/// Administrators of the site or of its network, and administrators and moderators of the community, see every space.
async fn is_moderator(
    connection: &mut Connection,
    statements: &Statements,
    user_id: u64,
    roles_option: Option<&[u8]>,
) -> Result<bool, DatabaseError> {
    let rows: Vec<(String, Option<Vec<u8>>)> = sqlx::query_as(statements.community_roles.sql())
        .bind(user_id)
        .bind(user_id)
        .bind(user_id)
        .fetch_all(connection)
        .await
        .doing("read the user's roles")?;
    let login = rows.iter().find(|(kind, _)| kind == "login");
    let login = login.and_then(|(_, login)| login.as_deref());
    Ok(rows.iter().any(|(kind, value)| {
        let value = value.as_deref().unwrap_or_default();
        match kind.as_str() {
            "capabilities" => user_has_capability(value, roles_option, "manage_options"),
            "site_admins" => login.is_some_and(|login| is_super_admin(login, value)),
            "community_roles" => leads_community(value),
            _ => false,
        }
    }))
}

/// Mirrors `is_super_admin`; the network's option lists logins.
pub(super) fn is_super_admin(login: &[u8], site_admins: &[u8]) -> bool {
    let admins = php::parse(loose::trim(site_admins)).ok();
    admins.is_some_and(|admins| {
        let mut logins = admins.as_array().into_iter().flat_map(Array::values);
        logins.any(|one| one.as_bytes() == Some(login))
    })
}

fn leads_community(value: &[u8]) -> bool {
    php::parse(loose::trim(value)).is_ok_and(|roles| {
        roles.as_array().is_some_and(|roles| {
            roles
                .values()
                .any(|role| matches!(role.as_bytes(), Some(b"admin" | b"moderator")))
        })
    })
}
