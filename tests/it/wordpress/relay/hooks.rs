//! The relay fires the same hooks as PHP, in the same order and with the same arguments.

use serde_json::{Value, json};

use super::{PREFIX, Relayed};
use crate::harness::recording::Recording;
use crate::harness::site::PLAIN_HOOK;

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
