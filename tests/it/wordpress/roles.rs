//! Roles of new users: for any default role and any definition of roles, a new user gets what `set_role` assigns.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::parity::{comparable, forget_users};
use super::{PREFIX, RealSite};
use crate::harness::site::SPACES_HOOK;

/// Values that plugins and people leave in `default_role`.
const ROLES: [&str; 22] = [
    "editor",
    "nosuchrole",
    "Subscriber",
    " subscriber ",
    "",
    "0",
    "00",
    "123",
    "-5",
    "007",
    "9223372036854775807",
    "9223372036854775808",
    "1.5",
    "ém",
    "😀",
    "a'b\"c\\d",
    "level_4",
    "LEVEL_10",
    "level_11",
    "level_5\n",
    "read",
    "two words",
];
/// Values that they leave in the roles option: capabilities that are denied, in capitals, numbered, or missing.
const ODD_ROLES: &str = concat!(
    r#"a:7:{s:6:"editor";a:2:{s:4:"name";s:1:"E";s:12:"capabilities";"#,
    r#"a:3:{s:7:"level_8";b:0;s:7:"LEVEL_3";b:1;s:8:"level_11";b:1;}}"#,
    r#"s:10:"nosuchrole";a:1:{s:4:"name";s:1:"N";}"#,
    r#"i:123;a:2:{s:4:"name";s:1:"O";s:12:"capabilities";a:2:{i:0;s:8:"level_10";s:7:"level_2";b:1;}}"#,
    r#"s:3:"ém";a:2:{s:4:"name";s:1:"M";s:12:"capabilities";s:7:"level_7";}"#,
    r#"s:4:"read";a:2:{s:4:"name";s:1:"R";s:12:"capabilities";a:1:{s:8:"level_02";b:1;}}"#,
    r#"s:7:"level_4";a:2:{s:4:"name";s:1:"L";s:12:"capabilities";a:1:{s:7:"level_1";b:1;}}"#,
    r#"s:9:"two words";a:2:{s:4:"name";s:1:"T";s:12:"capabilities";a:1:{s:7:"level_6";i:1;}}}"#,
);

#[tokio::test]
async fn any_default_role_gives_what_set_role_gives() {
    let real = RealSite::install().await;
    let sidecar = real.sidecar().await;
    let standard = format!(
        "SELECT option_value FROM {PREFIX}options WHERE option_name = '{PREFIX}user_roles'"
    );
    let standard = real.site.text(&standard).await.unwrap();
    let mut differences = Vec::new();
    for roles in [standard.as_str(), ODD_ROLES, ""] {
        real.set_option(&format!("{PREFIX}user_roles"), roles).await;
        let input = json!({ "roles": ROLES.map(|role| STANDARD.encode(role)) });
        let theirs = real.php("insert_with_roles", input).await;
        forget_users(&real).await;
        for (number, role) in ROLES.iter().enumerate() {
            real.set_option("default_role", role).await;
            let (email, login) = (
                format!("role{number}@example.com"),
                format!("role {number}"),
            );
            let fields = [
                ("email", email.as_str()),
                ("user_login", &login),
                ("user_password", "secret"),
            ];
            let id = sidecar.client.execute(SPACES_HOOK, &fields).await;
            let [expected, got]: [Value; 2] =
                [&theirs[number], &real.rows(id).await].map(comparable);
            if expected["meta"] != got["meta"] {
                differences.push(format!(
                    "{role:?} of {roles:.10}\n  expected {}\n  got      {}",
                    expected["meta"], got["meta"]
                ));
            }
        }
        forget_users(&real).await;
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
