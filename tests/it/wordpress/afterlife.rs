//! Later operations of WordPress on users that the daemon created.

use serde_json::{Value, json};

use super::{PREFIX, RealSite};
use crate::harness::site::SPACES_HOOK;

fn meta<'a>(rows: &'a Value, key: &str) -> Vec<&'a str> {
    let all = rows["meta"].as_array().unwrap().iter();
    all.filter(|row| row[0] == key)
        .map(|row| row[1].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_user_can_be_edited_promoted_and_deleted_without_a_trace() {
    let real = RealSite::install().await;
    let sidecar = real.sidecar().await;
    let fields = [
        ("email", "ann@example.com"),
        ("first_name", "Ann \\ \"O'Neil\""),
        ("last_name", "a:1:{i:0;i:1;}"),
    ];
    let id = sidecar.client.execute(SPACES_HOOK, &fields).await;
    let made = real.rows(id).await;
    let steps = real.php("live", json!({ "id": id })).await;

    let edited = &steps["edited"];
    assert_eq!(edited["user"]["user_email"], "new@example.com");
    assert_eq!(edited["user"]["display_name"], made["user"]["display_name"]);
    assert_eq!(meta(edited, "first_name"), ["New"]);
    assert_eq!(meta(edited, "last_name"), meta(&made, "last_name"));
    let keys = |rows: &Value| {
        let rows = rows["meta"].as_array().unwrap().iter();
        rows.map(|row| row[0].clone()).collect::<Vec<_>>()
    };
    assert_eq!(keys(edited), keys(&made), "rows are updated in place");
    let promoted = &steps["promoted"];
    let role = r#"a:1:{s:6:"editor";b:1;}"#;
    assert_eq!(meta(promoted, &format!("{PREFIX}capabilities")), [role]);
    assert_eq!(meta(promoted, &format!("{PREFIX}user_level")), ["7"]);
    assert_eq!(steps["deletes"], true);
    assert_eq!(steps["deleted"], json!({ "user": null, "meta": [] }));
    let left = format!("SELECT COUNT(*) FROM {PREFIX}users WHERE ID > 1");
    assert_eq!(real.site.number(&left).await, 0);
}
