//! Who may manage webhooks. Mirrors `TopicPolicy` of FluentCommunity Pro 2.1.0 without its third rule, which lets the
//! administrator of any one space see all keys.

use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::fluentcommunity::space_ids::is_super_admin;
use crate::wordpress::php::{self, Value, loose};
use crate::wordpress::roles::user_has_capability;

/// Whether a user may: who has `manage_options`, is super admin of the network, or is administrator or course administrator of the community.
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
            "community_roles" => administers(value),
            _ => false,
        }
    }))
}

fn administers(roles: &[u8]) -> bool {
    let roles = php::parse(loose::trim(roles)).ok();
    let mut roles = roles
        .iter()
        .filter_map(Value::as_array)
        .flat_map(php::Array::values);
    roles.any(|role| matches!(role.as_bytes(), Some(b"admin" | b"course_admin")))
}

#[cfg(test)]
mod tests {
    use super::administers;

    #[test]
    fn administrators_of_community_and_courses_may_and_moderators_may_not() {
        for (roles, may) in [
            (r#"a:1:{i:0;s:5:"admin";}"#, true),
            (
                r#"a:2:{i:0;s:9:"moderator";i:1;s:12:"course_admin";}"#,
                true,
            ),
            (r#"a:1:{i:0;s:9:"moderator";}"#, false),
            (r#"a:1:{i:0;s:14:"course_creator";}"#, false),
            ("", false),
            ("N;", false),
        ] {
            assert_eq!(administers(roles.as_bytes()), may, "{roles}");
        }
    }
}
