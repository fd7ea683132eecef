//! The relay fires the same hooks as PHP, in the same order and with the same arguments.

use fcom_sidecar::sample::mailbox::Mailbox;
use serde_json::{Value, json};

use super::trouble::ANN;
use super::{PREFIX, Relayed};
use crate::harness::recording::Recording;
use crate::harness::site::{PLAIN_HOOK, Site};

/// Hooks that the relay fires.
const RELAYED: [&str; 7] = [
    "add_user_role",
    "set_user_role",
    "user_register",
    "fluent_community/space/joined",
    "fluent_community/course/enrolled",
    "fluent_community/space/user_left",
    "fluent_community/course/student_left",
];

/// The hooks that PHP fired, with the two deliberate differences: the hash replaces the password, and a reactivated
/// membership passes the specific model.
fn expected(hooks: &Value) -> Vec<Value> {
    let relayed = hooks.as_array().unwrap().iter();
    let relayed = relayed.filter(|hook| RELAYED.contains(&hook["hook"].as_str().unwrap()));
    relayed
        .cloned()
        .map(|mut hook| {
            let is_course = hook["hook"].as_str().unwrap().contains("/course/");
            for argument in hook["args"].as_array_mut().unwrap() {
                if argument["object"] == r"FluentCommunity\App\Models\BaseSpace" {
                    argument["object"] = json!(if is_course {
                        r"FluentCommunity\Modules\Course\Model\Course"
                    } else {
                        r"FluentCommunity\App\Models\Space"
                    });
                }
            }
            hook
        })
        .collect()
}

/// The recorded hooks, with the recordings' token in place of the hash in the user's data.
async fn heard(relayed: &Relayed) -> Vec<Value> {
    let mut record = relayed.record();
    for hook in &mut record {
        if hook["hook"] == "user_register" {
            let id = hook["args"][0]["integer"].clone();
            let sql = format!("SELECT user_pass FROM {PREFIX}users WHERE ID = {id}");
            let hash = relayed.site.text(&sql).await.unwrap();
            let data = &mut hook["args"][1]["array"];
            assert_eq!(data["user_pass"], hash.as_str());
            data["user_pass"] = json!("@generated");
        }
    }
    record
}

#[tokio::test]
async fn plugins_hear_what_php_would_have_told_them() {
    let hooks: Value =
        serde_json::from_str(include_str!("../../../data/vectors/hooks-71.json")).unwrap();
    let requests = Recording::of("61");
    let mut compared = 0;
    for case in hooks["cases"].as_array().unwrap() {
        let name = case["case"].as_str().unwrap();
        if case["statuses"] == json!([423]) {
            continue;
        }
        let recorded = requests.cases.iter().find(|one| one.name == name).unwrap();
        let relayed = Relayed::new().await;
        for statement in &recorded.setup {
            let statement = statement.replace("wp_", PREFIX);
            relayed.site.execute(&statement).await;
        }
        let sidecar = relayed.sidecar(&[]).await;
        for request in &recorded.requests {
            assert_eq!(request.send(&sidecar.client).await.status, 200, "{name}");
        }
        let server = relayed.serve().await;
        let ran = relayed.wake(&server).await;
        let expected = expected(&case["hooks"]);
        assert_eq!(heard(&relayed).await, expected, "{name}");
        assert_eq!(server.log("php_errors"), "", "{name}");
        let done = expected.len();
        assert_eq!(
            ran,
            json!({"done": done, "failed": 0, "more": false}),
            "{name}"
        );
        compared += done;
    }
    assert!(compared > 50, "{compared}");
}

#[tokio::test]
async fn a_new_user_is_announced_as_wp_insert_user_does() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    let form = |email: &str, login: &str| {
        json!({
            "email": email, "user_login": login, "user_password": "a \"long\" password",
            "first_name": "Conan", "last_name": "O'Brien",
        })
    };
    let id = relayed
        .php("insert_one", form("one@example.com", "one"))
        .await;
    let of_php = relayed.record();
    relayed.forget_record();

    let fields = form("two@example.com", "two");
    let fields: Vec<(&str, &str)> = fields
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
        .collect();
    let other = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    relayed.run().await;
    // Only the values that must differ do: the id, the names, the password.
    let text = json!(heard(&relayed).await).to_string();
    let text = text
        .replace(&format!(":{other}"), &format!(":{id}"))
        .replace("two", "one");
    let of_php = json!(of_php)
        .to_string()
        .replace(r#"a \\\"long\\\" password"#, "@generated");
    assert_eq!(text, of_php);
    assert_eq!(relayed.heard(), RELAYED[..3]);
}

/// The memberships that there are, all columns of each.
async fn memberships(site: &Site) -> Vec<Vec<Option<String>>> {
    let rows = format!(
        "SELECT id, space_id, user_id, status, role, meta, created_at, updated_at FROM {PREFIX}fcom_space_user ORDER BY id"
    );
    site.rows(&rows).await
}

/// The listeners of the beginning get the row as it was, those of the end come after them.
#[tokio::test]
async fn who_joins_and_leaves_before_any_hook_is_heard_to_do_both() {
    let relayed = Relayed::new().await;
    let site = &relayed.site;
    site.execute(&format!(
        "UPDATE {PREFIX}options SET option_value = '-3.5' WHERE option_name = 'gmt_offset'"
    ))
    .await;
    let sidecar = relayed.sidecar(&[]).await;
    let known = memberships(site).await.len();
    // Space 1 among the courses: PHP makes its members students.
    site.set_plain_hook(&[("course_ids", &[5, 1]), ("space_ids", &[2])])
        .await;
    sidecar.client.execute(PLAIN_HOOK, ANN).await;
    let mut rows = memberships(site).await.split_off(known);
    assert_eq!(rows.len(), 3);
    site.set_plain_hook(&[("remove_course_ids", &[5, 1]), ("remove_space_ids", &[2])])
        .await;
    sidecar.client.execute(PLAIN_HOOK, ANN).await;
    assert_eq!(memberships(site).await.len(), known);
    // Again, and this time to stay.
    site.set_plain_hook(&[("space_ids", &[2])]).await;
    sidecar.client.execute(PLAIN_HOOK, ANN).await;
    rows.extend(memberships(site).await.split_off(known));
    // In and out in one call, without a row of its own.
    site.set_plain_hook(&[("space_ids", &[4]), ("remove_space_ids", &[4])])
        .await;
    sidecar.client.execute(PLAIN_HOOK, ANN).await;

    let ran = relayed.run().await;
    assert_eq!(ran, json!({"done": 12, "failed": 0, "more": false}));
    assert_eq!(relayed.count("state <> 'done'").await, 0);
    let (enrolled, joined) = (RELAYED[4], RELAYED[3]);
    let (course_left, space_left) = (RELAYED[6], RELAYED[5]);
    assert_eq!(
        relayed.heard()[3..],
        [
            enrolled,
            joined,
            joined,
            course_left,
            space_left,
            space_left,
            joined,
            joined,
            space_left
        ]
    );
    let passed = std::fs::read_to_string(relayed.installation.root().join("rows")).unwrap();
    let mut passed: Vec<Value> = passed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let in_and_out = passed.pop().unwrap();
    assert_eq!(
        (&in_and_out["space_id"], &in_and_out["role"]),
        (&json!("4"), &json!("member"))
    );
    let columns = [
        "id",
        "space_id",
        "user_id",
        "status",
        "role",
        "meta",
        "created_at",
        "updated_at",
    ];
    let passed: Vec<Vec<Option<String>>> = passed
        .iter()
        .map(|row| {
            columns
                .map(|name| row[name].as_str().map(str::to_owned))
                .to_vec()
        })
        .collect();
    assert_eq!(passed, rows);
}

/// In PHP, the listeners of joining have their say before the list is written.
#[tokio::test]
async fn the_list_of_spaces_has_what_listeners_have_joined() {
    let relayed = Relayed::new().await;
    let site = &relayed.site;
    // As FluentCRM's tags do.
    let tags = "<?php
        add_action( 'fluent_community/space/joined', function ( $space, $user_id ) {
            $row = array( 'space_id' => 3, 'user_id' => $user_id );
            2 === $space->id && $GLOBALS['wpdb']->insert( $GLOBALS['wpdb']->prefix . 'fcom_space_user', $row );
        }, 999, 2 );";
    std::fs::write(relayed.plugins().join("tags.php"), tags).unwrap();
    site.execute(&format!(
        "INSERT INTO {PREFIX}fcom_space_user (space_id, user_id) VALUES (5, '2')"
    ))
    .await;
    site.set_plain_hook(&[("space_ids", &[2]), ("remove_space_ids", &[5])])
        .await;
    let sidecar = relayed.sidecar(&[]).await;
    let known = [("email", "existing@example.com")];
    assert_eq!(sidecar.client.execute(PLAIN_HOOK, &known).await, 2);
    let list = format!(
        "SELECT meta_value FROM {PREFIX}usermeta WHERE user_id = 2 AND meta_key = '_fcom_space_ids'"
    );
    let of_call = "a:3:{i:0;i:1;i:1;i:2;i:2;i:4;}";
    assert_eq!(site.column(&list).await, [of_call]);
    relayed.run().await;
    let with_space_3 = "a:4:{i:0;i:1;i:1;i:2;i:2;i:3;i:3;i:4;}";
    assert_eq!(site.column(&list).await, [with_space_3]);
}

/// What `get_password_reset_key` fires, apart from the hook that passes the key.
#[tokio::test]
async fn the_key_of_a_mail_is_announced_as_wordpress_announces_its_own() {
    let relayed = Relayed::new().await;
    let keys = "<?php
        foreach ( array( 'retrieve_password', 'profile_update', 'wp_update_user' ) as $hook ) {
            add_action( $hook, function ( ...$arguments ) use ( $hook ) {
                $described = array_map( fn( $one ) => is_object( $one ) ? $one->to_array() : $one, $arguments );
                $line      = json_encode( array( $hook, $described ), JSON_THROW_ON_ERROR );
                file_put_contents( ABSPATH . 'keys', $line . \"\\n\", FILE_APPEND );
            }, 10, 9 );
        }";
    std::fs::write(relayed.plugins().join("keys.php"), keys).unwrap();
    let file = relayed.installation.root().join("keys");
    let heard = || std::fs::read_to_string(&file).unwrap();
    let mut mailbox = Mailbox::open().await.unwrap();
    let smtp = format!("smtp://127.0.0.1:{}", mailbox.port());
    let environment = [
        ("FCOM_SIDECAR__MAIL__TRANSPORT", "smtp"),
        ("FCOM_SIDECAR__SMTP__URL", smtp.as_str()),
    ];
    let sidecar = relayed.sidecar(&environment).await;
    let fields = [
        ("email", "conan@example.com"),
        ("first_name", "Conan \"O\\"),
        ("last_name", "O'Brien"),
    ];
    let id = sidecar.client.execute(PLAIN_HOOK, &fields).await;
    mailbox.next().await;
    let stored = format!("SELECT user_activation_key FROM {PREFIX}users WHERE ID = {id}");
    // The daemon's key, then WordPress's own.
    let mut announced = Vec::new();
    for is_daemons in [true, false] {
        if is_daemons {
            relayed.run().await;
        } else {
            relayed
                .site
                .execute(&format!(
                    "UPDATE {PREFIX}users SET user_activation_key = '' WHERE ID = {id}"
                ))
                .await;
            let input = json!({ "id": id, "key": "ABCDEFGHIJKLMNOPQRST" });
            assert_eq!(relayed.php("notify", input).await, Value::Null);
        }
        let key = relayed.site.text(&stored).await.unwrap();
        assert!(key.len() > 20, "{key}");
        // As JSON writes it.
        let key = json!(key).to_string().replace('/', "\\/");
        announced.push(heard().replace(key.trim_matches('"'), "KEY"));
        std::fs::remove_file(&file).unwrap();
    }
    assert!(announced[0].contains("profile_update"), "{}", announced[0]);
    assert_eq!(announced[0], announced[1]);
    assert_eq!(relayed.count("state <> 'done'").await, 0);
}
