//! Maintains the user meta `_fcom_space_ids`, the list that filters the feed; it is rewritten when a user leaves a
//! space or course. Mirrors `User::cacheAccessSpaces` and `Helper::isModerator`, core 2.8.1.

use sqlx::FromRow;

use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::fluentcommunity::leaders::leads;
use crate::wordpress::php::{Array, Value};
use crate::wordpress::usermeta;

const META_KEY: &str = "_fcom_space_ids";
/// Community roles that see every space, like administrators of the site and its network.
const SEE_ALL: [&str; 2] = ["admin", "moderator"];

#[derive(FromRow)]
struct SpaceRow {
    space_id: u64,
    is_public: bool,
    is_member: bool,
}

/// Rewrites the list of `user_id`. `not_yet` holds the spaces joined after the last leave, which PHP's list does not
/// contain either; `roles_option` is the serialised `{prefix}user_roles`.
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
    let sees_all = leads(connection, statements, user_id, roles_option, &SEE_ALL).await?;
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
