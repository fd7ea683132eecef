//! Decides who may manage webhooks. Mirrors `TopicPolicy` of FluentCommunity Pro 2.1.0 without its third rule, which
//! lets the administrator of any single space see all keys.

use crate::db::{Connection, DatabaseError, Statements};
use crate::fluentcommunity::leaders::leads;

const ADMINISTRATORS: [&str; 2] = ["admin", "course_admin"];

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
