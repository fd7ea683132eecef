//! What is written and shown: the plugin's records and answers, byte for byte.

use serde_json::{Value, json};

use super::{command, id_of, key_in, manage, record, save};
use crate::harness::management::start;
use crate::harness::site::{LEAVING_HOOK, MEMBERS_HOOK, PLAIN_HOOK, Site};

/// The sample site's records were written by the plugin's code.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_byte_for_byte_those_of_the_plugin() {
    let site = Site::new("71").await;
    site.execute(
        "UPDATE wp_options SET option_value = 'Asia/Kolkata' WHERE option_name = 'timezone_string'",
    )
    .await;
    let sidecar = start(&site).await;
    let plain = save(
        &sidecar,
        &json!({"title": " <b>Hook</b>", "send_wp_welcome_email": "yes"}),
    )
    .await;
    let members = json!({
        "title": "Hook", "course_ids": [6, "5", 6, 1, 999], "space_ids": ["2", 1, 5, 8],
        "remove_course_ids": 7, "remove_space_ids": [3, 4], "send_wp_welcome_email": "yes"
    });
    let by_api = save(&sidecar, &members).await;
    let by_command = command(
        &sidecar,
        &[
            "webhook",
            "create",
            "--title",
            "Hook",
            "--course",
            "course-1",
            "--course",
            "Course 2",
            "--space",
            "2",
            "--space",
            "space 1",
            "--remove-course",
            "7",
            "--remove-space",
            "space-3",
            "--remove-space",
            "space-4",
            "--json",
        ],
    );
    let by_command: Value = serde_json::from_str(&by_command).unwrap();
    sidecar
        .client
        .record(&[key_in(by_command["webhook_url"].as_str().unwrap())]);
    for (made, like) in [
        (plain, PLAIN_HOOK),
        (by_api, MEMBERS_HOOK),
        (by_command, MEMBERS_HOOK),
    ] {
        let id = made["id"].as_u64().unwrap();
        let original = id_of(&site, like).await;
        assert_eq!(record(&site, id).await, record(&site, original).await);
        let local = "ABS(TIMESTAMPDIFF(SECOND, created_at, CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', '+05:30'))) < 600";
        let sound = format!(
            "SELECT COUNT(*) FROM wp_fcom_meta WHERE id = {id} AND object_type = 'webhook' AND object_id IS NULL \
             AND meta_key REGEXP '^[0-9a-f]{{32}}$' AND CAST(meta_key AS BINARY) = LOWER(meta_key) AND created_at = updated_at AND {local}"
        );
        assert_eq!(
            site.number(&sound).await,
            1,
            "{}",
            site.rows("SELECT * FROM wp_fcom_meta").await.len()
        );
    }

    let leaving = id_of(&site, LEAVING_HOOK).await;
    let before = record(&site, leaving).await;
    let same = json!({
        "id": leaving.to_string(), "title": "Hook", "remove_course_ids": [6, 5], "remove_space_ids": [1, 2, 3, 4]
    });
    let saved = save(&sidecar, &same).await;
    assert_eq!(record(&site, leaving).await, before, "running_count stays");
    assert_eq!(saved["value"]["running_count"], 41);
    let strange = id_of(&site, "77777777777777777777777777777777").await;
    let before = record(&site, strange).await;
    command(
        &sidecar,
        &[
            "webhook",
            "update",
            &strange.to_string(),
            "--space",
            "space-2",
        ],
    );
    assert_eq!(record(&site, strange).await, before, "unknown keys stay");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_list_has_the_plugins_shape() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let get = async |query: &str| manage(&sidecar, "GET", query, &Value::Null).await;
    let first = get("?page=1&per_page=3").await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let first = first.json();
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&first), ["webhooks", "courses", "spaces"]);
    assert_eq!(first["webhooks"]["total"], 8);
    assert_eq!(first["webhooks"]["last_page"], 3);
    let item = &first["webhooks"]["data"][1];
    assert_eq!(
        keys(item),
        [
            "id",
            "object_type",
            "object_id",
            "meta_key",
            "value",
            "created_at",
            "updated_at",
            "webhook_url"
        ]
    );
    assert_eq!(item["created_at"], "2026-11-23 06:51:38");
    assert_eq!(item["value"]["space_ids"], json!([1, 2]));
    let titles = |list: &Value| {
        let titles = list.as_array().unwrap().iter();
        titles
            .map(|one| one["title"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        titles(&first["spaces"]),
        ["Space 1", "Space 2", "Space 3", "Space 4"]
    );
    assert_eq!(
        titles(&first["courses"]),
        ["Course 1", "Course 2", "Course 3"]
    );
    assert_eq!(
        keys(&first["courses"][0]),
        ["id", "title", "slug", "logo", "settings"]
    );
    assert_eq!(keys(&get("").await.json()), ["webhooks"]);

    for (query, total) in [
        ("?search=minimal", 1),
        ("?search=2222222222", 1),
        ("?search=%25_", 0),
        ("?search=&page=9", 8),
    ] {
        assert_eq!(
            get(query).await.json()["webhooks"]["total"],
            total,
            "{query}"
        );
    }
    for query in [
        "?per_page=0",
        "?per_page=-1",
        "?per_page=x",
        "?page=0",
        "?page=1.5",
    ] {
        assert_eq!(get(query).await.status, 422, "{query}");
    }

    // The plugin empties both lists of courses when a webhook is saved while courses are off.
    let id = id_of(&site, MEMBERS_HOOK).await;
    site.execute(
        "DELETE FROM wp_fcom_meta WHERE meta_key = 'fluent_community_features';
         INSERT INTO wp_fcom_meta (object_type, meta_key, value)
         VALUES ('option', 'fluent_community_features', 'a:1:{s:13:\"course_module\";s:2:\"no\";}')",
    )
    .await;
    assert_eq!(keys(&get("?page=1").await.json()), ["webhooks", "spaces"]);
    let saved = save(
        &sidecar,
        &json!({"id": id, "title": "Hook", "space_ids": [1]}),
    )
    .await;
    assert_eq!(saved["value"]["course_ids"], json!([5, 6]));
    assert_eq!(saved["value"]["remove_course_ids"], json!([7]));
    assert_eq!(saved["value"]["space_ids"], json!([1]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_saved_is_refused_in_words() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let before = site.webhooks().await;
    let untitled = manage(&sidecar, "POST", "", &json!({"title": ""})).await;
    assert_eq!(untitled.status, 422);
    assert_eq!(
        untitled.text(),
        r#"{"title":{"required":"The title field is required."}}"#
    );
    for (body, status) in [
        (json!({"title": "x", "space_ids": ["one"]}), 422),
        (json!(["title"]), 400),
        (json!({"title": "x".repeat(300_000)}), 413),
    ] {
        let refused = manage(&sidecar, "POST", "", &body).await;
        assert_eq!(refused.status, status, "{}", refused.text());
    }
    assert_eq!(manage(&sidecar, "PUT", "", &Value::Null).await.status, 405);
    assert_eq!(
        manage(&sidecar, "DELETE", "/x", &Value::Null).await.status,
        404
    );
    assert_eq!(site.webhooks().await, before);

    site.execute("UPDATE wp_fcom_meta SET value = 'a:1:{broken' WHERE id = 3")
        .await;
    let corrupt = manage(&sidecar, "POST", "", &json!({"id": 3, "title": "x"})).await;
    assert_eq!(corrupt.status, 423);
    assert_eq!(record(&site, 3).await, "a:1:{broken");
}
