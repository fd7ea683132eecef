//! Decides who leads the community: administrators of the site or its network, and holders of certain community roles.
//! Mirrors the rules shared by `Helper::isModerator` of core 2.8.1 and `TopicPolicy` of Pro 2.1.0.

use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::wordpress::php::{self, Array, loose};
use crate::wordpress::roles::user_has_capability;

/// Whether a user has `manage_options`, is a super admin of the network, or has one of these community roles.
/// `roles_option` is the serialised `{prefix}user_roles`.
///
/// # Errors
/// The statement failed.
pub(super) async fn leads(
    connection: &mut Connection,
    statements: &Statements,
    user_id: u64,
    roles_option: Option<&[u8]>,
    community_roles: &[&str],
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
            // Mirrors `is_super_admin`: the network's option holds a list of logins.
            "site_admins" => login.is_some_and(|login| lists(value, login)),
            "community_roles" => community_roles
                .iter()
                .any(|role| lists(value, role.as_bytes())),
            _ => false,
        }
    }))
}

/// Whether a serialised array contains this value.
fn lists(array: &[u8], wanted: &[u8]) -> bool {
    php::parse(loose::trim(array)).is_ok_and(|array| {
        let mut values = array.as_array().into_iter().flat_map(Array::values);
        values.any(|value| value.as_bytes() == Some(wanted))
    })
}

#[cfg(test)]
mod tests {
    use super::lists;

    #[test]
    fn a_role_is_found_as_a_whole_and_in_arrays_only() {
        for (roles, found) in [
            (r#"a:1:{i:0;s:5:"admin";}"#, true),
            (r#"a:2:{i:0;s:9:"moderator";i:1;s:5:"admin";}"#, true),
            (r#"a:1:{i:0;s:12:"course_admin";}"#, false),
            (r#"s:5:"admin";"#, false),
            ("", false),
            ("N;", false),
        ] {
            assert_eq!(lists(roles.as_bytes(), b"admin"), found, "{roles}");
        }
    }
}
