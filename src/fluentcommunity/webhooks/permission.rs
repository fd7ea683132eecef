//! Decides who may manage webhooks, and who may see what they do. Mirrors `TopicPolicy` of FluentCommunity Pro 2.1.0 without
//! its third rule, which lets the administrator of any single space see all keys, and `Helper::isModerator` of core 2.8.1.

use crate::db::{Connection, DatabaseError, Statements};
use crate::fluentcommunity::leaders::leads;

const ADMINISTRATORS: [&str; 2] = ["admin", "course_admin"];
const MODERATORS: [&str; 3] = ["admin", "course_admin", "moderator"];

/// Whether a user may manage webhooks: administrators of the site, its network, the community or its courses.
/// `roles_option` is the serialised `{prefix}user_roles`.
///
/// # Errors
/// The statement failed.
pub async fn may_manage(
    connection: &mut Connection,
    statements: &Statements,
    user_id: u64,
    roles_option: Option<&[u8]>,
) -> Result<bool, DatabaseError> {
    leads(
        connection,
        statements,
        user_id,
        roles_option,
        &ADMINISTRATORS,
    )
    .await
}

/// Whether a user may see what webhooks do, though not their keys: whoever may manage them, and moderators of the community, who
/// see all its members in the plugin, too.
///
/// # Errors
/// The statement failed.
pub async fn may_look(
    connection: &mut Connection,
    statements: &Statements,
    user_id: u64,
    roles_option: Option<&[u8]>,
) -> Result<bool, DatabaseError> {
    leads(connection, statements, user_id, roles_option, &MODERATORS).await
}
