//! Derives roles and capabilities as WordPress does from the option `{prefix}user_roles` and a user's own
//! `{prefix}capabilities`: `WP_User::set_role`, `get_role_caps` and `update_user_level_from_caps` (5.9 – 7.1).
//!
//! An unreadable option or meta value counts as having no entries.

use super::php::{
    Array, Key, Value,
    loose::{is_empty, is_true, trim},
    parse,
};

/// Capabilities that let a user change other users' accounts, content or code.
const PRIVILEGES: [&str; 16] = [
    "activate_plugins",
    "create_users",
    "delete_users",
    "edit_files",
    "edit_others_pages",
    "edit_others_posts",
    "edit_plugins",
    "edit_themes",
    "edit_users",
    "install_plugins",
    "install_themes",
    "manage_options",
    "promote_users",
    "unfiltered_html",
    "unfiltered_upload",
    "update_plugins",
];

/// The usermeta `{prefix}capabilities` of a user with this role, `a:1:{s:10:"subscriber";b:1;}`. The role need not
/// exist; an empty role (or `0`, which PHP treats as empty) gives `a:0:{}`.
#[must_use]
pub fn capabilities_value(role: &str) -> String {
    let capabilities = Value::from(own_capabilities(role)).write();
    String::from_utf8_lossy(&capabilities).into_owned()
}

/// The usermeta `{prefix}user_level` of a user with this role: the highest `level_0` … `level_10` among the names of
/// the role's capabilities, whether granted or not; 0 if there are none.
#[must_use]
pub fn user_level(role: &str, roles_option: Option<&[u8]>) -> u8 {
    let own = own_capabilities(role);
    let roles = Roles::read(roles_option);
    let of_role = roles.capabilities(&role.into());
    // A role named `level_5` is also one of its user's own capabilities.
    let names = of_role.into_iter().chain([&own]).flat_map(Array::iter);
    names.filter_map(|(name, _)| level(name)).max().unwrap_or(0)
}

/// Whether a role gives power over other people's accounts, content or code. Intended for warnings, not for decisions.
#[must_use]
pub fn role_is_privileged(role: &str, roles_option: Option<&[u8]>) -> bool {
    let roles = Roles::read(roles_option);
    let granted = |name: &&str| roles.grants(&role.into(), name) == Some(true);
    PRIVILEGES.iter().any(granted)
}

/// The capabilities that a role grants and `subscriber` does not, besides reading; levels are left out, as WordPress derives
/// them. Intended for warnings, not for decisions.
#[must_use]
pub fn beyond_subscriber(role: &str, roles_option: Option<&[u8]>) -> Vec<String> {
    let roles = Roles::read(roles_option);
    let granted = |role: &str| -> Vec<String> {
        let capabilities = roles.capabilities(&role.into()).into_iter();
        let granted = capabilities.flat_map(Array::iter);
        let granted = granted.filter(|(name, value)| is_true(value) && level(name).is_none());
        let names = granted.filter_map(|(name, _)| match name {
            Key::String(name) => Some(String::from_utf8_lossy(name).into_owned()),
            Key::Int(_) => None,
        });
        names.collect()
    };
    let of_subscriber = granted("subscriber");
    let mut more = granted(role);
    more.retain(|name| name != "read" && !of_subscriber.contains(name));
    more
}

/// Whether a user has a capability, directly or through a role, given the usermeta `{prefix}capabilities`.
///
/// Every role named there counts, even one set to false; later roles override earlier ones, and the user's own entries
/// override both. Mirrors `WP_User::get_role_caps`; the filter `user_has_cap` and super admins are not considered.
#[must_use]
pub fn user_has_capability(
    capabilities_meta: &[u8],
    roles_option: Option<&[u8]>,
    capability: &str,
) -> bool {
    let own = read_array(capabilities_meta);
    let roles = Roles::read(roles_option);
    let through_roles = || {
        own.iter()
            .rev()
            .find_map(|(role, _)| roles.grants(role, capability))
    };
    let own_entry = own.get(capability).map(is_true);
    own_entry.or_else(through_roles).unwrap_or(false)
}

/// The option `{prefix}user_roles`: slug → name and capabilities.
struct Roles(Array);

impl Roles {
    fn read(option: Option<&[u8]>) -> Self {
        Self(option.map(read_array).unwrap_or_default())
    }

    fn capabilities(&self, role: &Key) -> Option<&Array> {
        let (_, role) = self.0.iter().find(|(slug, _)| *slug == role)?;
        role.as_array()?.get("capabilities")?.as_array()
    }

    /// Whether a role grants or denies a capability; `None` if it does not mention it.
    fn grants(&self, role: &Key, capability: &str) -> Option<bool> {
        self.capabilities(role)?.get(capability).map(is_true)
    }
}

fn own_capabilities(role: &str) -> Array {
    let role = (!is_empty(role.as_bytes())).then_some((role, true));
    role.into_iter().collect()
}

fn read_array(serialized: &[u8]) -> Array {
    let value = parse(trim(serialized)).ok();
    value
        .and_then(|value| value.into_array().ok())
        .unwrap_or_default()
}

/// The level of a capability name: `level_0` to `level_10`, in any case. The `$` in PHP's pattern also matches before a
/// final line feed.
fn level(name: &Key) -> Option<u8> {
    let Key::String(name) = name else {
        return None;
    };
    let name = name.strip_suffix(b"\n").unwrap_or(name);
    match name.to_ascii_lowercase().strip_prefix(b"level_")? {
        b"10" => Some(10),
        [digit @ b'0'..=b'9'] => Some(digit - b'0'),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A role option with the given roles, each with its capabilities.
    fn roles(roles: &[(&str, &[(&str, bool)])]) -> Vec<u8> {
        let role = |capabilities: &[(&str, bool)]| {
            let capabilities: Array = capabilities.iter().copied().collect();
            let entries = [
                ("name", Value::from("x")),
                ("capabilities", capabilities.into()),
            ];
            entries.into_iter().collect::<Array>()
        };
        let roles: Array = roles
            .iter()
            .map(|(slug, caps)| (*slug, role(caps)))
            .collect();
        Value::from(roles).write()
    }

    fn site() -> Vec<u8> {
        roles(&[
            (
                "administrator",
                &[
                    ("manage_options", true),
                    ("level_10", true),
                    ("level_0", true),
                ],
            ),
            (
                "editor",
                &[
                    ("edit_others_posts", true),
                    ("level_7", true),
                    ("level_6", true),
                ],
            ),
            ("subscriber", &[("read", true), ("level_0", true)]),
            ("custom_a", &[("read", true)]),
            (
                "custom_l",
                &[("LEVEL_3", true), ("level_5", true), ("level_11", true)],
            ),
            ("custom_f", &[("level_8", false), ("manage_options", false)]),
        ])
    }

    #[test]
    fn the_capabilities_of_a_role_name_it_alone() {
        for (role, value) in [
            ("subscriber", r#"a:1:{s:10:"subscriber";b:1;}"#),
            ("administrator", r#"a:1:{s:13:"administrator";b:1;}"#),
            ("nosuchrole", r#"a:1:{s:10:"nosuchrole";b:1;}"#),
            ("ém", r#"a:1:{s:3:"ém";b:1;}"#),
            ("", "a:0:{}"),
        ] {
            assert_eq!(capabilities_value(role), value);
        }
    }

    #[test]
    fn the_level_is_the_highest_one_named() {
        let site = site();
        for (role, expected) in [
            ("subscriber", 0),
            ("editor", 7),
            ("administrator", 10),
            ("custom_a", 0),
            ("custom_l", 5),
            ("custom_f", 8),
            ("nosuchrole", 0),
            ("Subscriber", 0),
            ("level_4", 4),
            ("", 0),
        ] {
            assert_eq!(user_level(role, Some(&site)), expected, "{role}");
        }
        assert_eq!(user_level("administrator", None), 0);
        assert_eq!(user_level("administrator", Some(b"a:1:{damaged")), 0);
    }

    #[test]
    fn only_granted_privileges_count() {
        let site = site();
        let privileged = |role| role_is_privileged(role, Some(&site));
        assert!(privileged("administrator") && privileged("editor"));
        assert!(!privileged("subscriber") && !privileged("custom_f") && !privileged("nosuchrole"));
    }

    #[test]
    fn own_capabilities_override_those_of_roles() {
        let site = site();
        let can =
            |meta: &str, capability| user_has_capability(meta.as_bytes(), Some(&site), capability);
        let admin = r#"a:1:{s:13:"administrator";b:1;}"#;
        assert!(can(admin, "manage_options") && can(admin, "administrator"));
        assert!(!can(admin, "edit_others_posts") && !can(admin, "level_1"));
        assert!(can(r#"a:1:{s:13:"administrator";b:0;}"#, "manage_options"));
        let denied = r#"a:2:{s:14:"manage_options";b:0;s:13:"administrator";b:1;}"#;
        assert!(!can(denied, "manage_options"));
        let both = r#"a:2:{s:13:"administrator";b:1;s:8:"custom_f";b:1;}"#;
        assert!(!can(both, "manage_options"), "the later role denies it");
        assert!(can(r#"a:1:{s:4:"read";s:1:"1";}"#, "read"));
        assert!(!can("", "read") && !can("N;", "read"));
    }

    #[test]
    fn a_role_is_more_than_a_subscriber_if_it_grants_more() {
        let roles = roles(&[
            (
                "subscriber",
                &[("read", true), ("level_0", true), ("follow", true)],
            ),
            (
                "customer",
                &[("read", true), ("follow", true), ("edit_posts", false)],
            ),
            (
                "author",
                &[("read", true), ("edit_posts", true), ("level_2", true)],
            ),
        ]);
        let more = |role| beyond_subscriber(role, Some(&roles));
        for same in ["subscriber", "customer", "unknown"] {
            assert_eq!(more(same), [""; 0], "{same}");
        }
        assert_eq!(more("author"), ["edit_posts"]);
    }
}
