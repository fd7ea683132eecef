//! Keys, from a webhook's creation through their replacement to its deletion.

use serde_json::{Value, json};

use super::{call, command, key_in, manage, record, save};
use crate::harness::management::start;
use crate::harness::site::{PLAIN_HOOK, Site};
use crate::harness::webhook_record::running_count;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_lives_from_creation_to_deletion() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let made = save(&sidecar, &json!({"title": "Shop", "space_ids": [1]})).await;
    let (id, first) = (
        made["id"].as_u64().unwrap(),
        made["meta_key"].as_str().unwrap(),
    );
    assert!(made["webhook_url"].as_str().unwrap().ends_with(&format!(
        "/portal/?fcom_action=incoming_webhook&webhook={first}"
    )));
    assert_eq!(
        made.as_object().unwrap().keys().collect::<Vec<_>>(),
        [
            "value",
            "object_type",
            "meta_key",
            "updated_at",
            "created_at",
            "id",
            "webhook_url"
        ]
    );
    let ann = [("email", "ann@example.com")];
    let user = sidecar.client.execute(first, &ann).await;
    let edited = save(
        &sidecar,
        &json!({"id": id, "title": "Store", "space_ids": [1, 2]}),
    )
    .await;
    assert_eq!(edited["value"]["title"], "Store");
    assert_eq!(edited["value"]["running_count"], 1);

    let rotated = manage(
        &sidecar,
        "POST",
        &format!("/{id}/rotate"),
        &json!({"grace_hours": 2}),
    )
    .await;
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let second = rotated.json()["webhook"]["meta_key"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(second, first);
    for key in [first, second.as_str()] {
        assert_eq!(sidecar.client.execute(key, &ann).await, user);
    }
    assert_eq!(running_count(&record(&site, id).await), 3);
    let kept = site
        .text("SELECT HEX(key_hash) FROM wp_fcom_sidecar_old_keys")
        .await;
    assert_eq!(kept.unwrap().len(), 64);
    let member = format!("SELECT COUNT(*) FROM wp_fcom_space_user WHERE user_id = '{user}'");
    assert_eq!(site.number(&member).await, 2);
    // Keys are compared byte for byte, not by a collation.
    assert_eq!(call(&sidecar, &first.to_uppercase()).await, 404);
    site.execute(
        "UPDATE wp_fcom_sidecar_old_keys SET valid_until = UTC_TIMESTAMP() - INTERVAL 1 SECOND",
    )
    .await;
    assert_eq!(call(&sidecar, first).await, 404);
    assert_eq!(call(&sidecar, &second).await, 200);

    let deleted = manage(&sidecar, "DELETE", &format!("/{id}"), &Value::Null).await;
    assert_eq!(
        deleted.text(),
        r#"{"message":"Webhook has been deleted successfully"}"#
    );
    for key in [first, second.as_str()] {
        assert_eq!(call(&sidecar, key).await, 404);
    }
    let kept = "SELECT COUNT(*) FROM wp_fcom_sidecar_old_keys";
    assert_eq!(site.number(kept).await, 0);
    for (method, path) in [
        ("DELETE", format!("/{id}")),
        ("POST", format!("/{id}/rotate")),
        ("DELETE", "/0".to_owned()),
    ] {
        let answer = manage(&sidecar, method, &path, &Value::Null).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let unknown = manage(&sidecar, "POST", "", &json!({"id": id, "title": "x"})).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_can_be_replaced_again_and_at_once_from_the_command_line() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let rotate = |arguments: &[&str]| {
        let arguments = [&["webhook", "rotate", "3"], arguments].concat();
        let key = key_in(&command(&sidecar, &arguments));
        sidecar.client.record(std::slice::from_ref(&key));
        key
    };
    let second = rotate(&[]);
    let third = rotate(&["--grace-hours", "1"]);
    for key in [PLAIN_HOOK, &second, &third] {
        assert_eq!(call(&sidecar, key).await, 200);
    }
    let hours = "SELECT GROUP_CONCAT(ROUND(TIMESTAMPDIFF(SECOND, UTC_TIMESTAMP(), valid_until) / 3600) ORDER BY 1) \
                 FROM wp_fcom_sidecar_old_keys";
    let hours = site.text(hours).await.unwrap();
    let mut hours: Vec<&str> = hours.split(',').collect();
    hours.sort_unstable();
    assert_eq!(hours, ["1", "24"]);
    // Whoever has got a key of these loses it, also if it was replaced before.
    let fourth = rotate(&["--grace-hours", "0"]);
    for key in [PLAIN_HOOK, &second, &third] {
        assert_eq!(call(&sidecar, key).await, 404);
    }
    assert_eq!(call(&sidecar, &fourth).await, 200);
    assert_eq!(key_in(&command(&sidecar, &["webhook", "url", "3"])), fourth);
    let runs = record(&site, 3).await;
    assert_eq!(running_count(&runs), 4);
}
