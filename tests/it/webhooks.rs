//! The management of webhooks, through the admin listener and the command line.

use serde_json::{Value, json};

use crate::http::{self, Response};
use crate::sidecar::Sidecar;
use crate::site::{LEAVING_HOOK, MEMBERS_HOOK, PLAIN_HOOK, Site};

pub(crate) const PATH: &str = "/wp-json/fluent-community/v2/admin/webhooks";
pub(crate) const TOKEN: &str = "5f1c8b1de5a9407c9a1f0b6f2e7d3c48";

/// A daemon whose management this module's requests may use.
pub(crate) async fn start(site: &Site) -> Sidecar {
    let sidecar = Sidecar::start_with(site, &[("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN)]).await;
    sidecar.client.record(&[TOKEN.to_owned()]);
    sidecar
}

/// A request with the token. Keys in the answer must not reach the log.
async fn manage(sidecar: &Sidecar, method: &str, path: &str, body: &Value) -> Response {
    let authorization = format!("Bearer {TOKEN}");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
    ];
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (target, admin) = (format!("{PATH}{path}"), sidecar.client.admin);
    let response = http::request(admin, method, &target, &headers, body.as_bytes()).await;
    let response = response.unwrap();
    let key = response.json()["webhook"]["meta_key"]
        .as_str()
        .map(str::to_owned);
    sidecar.client.record(key.as_slice());
    response
}

async fn save(sidecar: &Sidecar, body: &Value) -> Value {
    let response = manage(sidecar, "POST", "", body).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let mut saved = response.json();
    assert_eq!(saved["message"], "Webhook has been saved successfully");
    saved["webhook"].take()
}

/// Runs a subcommand that must succeed; its output.
fn command(sidecar: &Sidecar, arguments: &[&str]) -> String {
    let (succeeded, output, errors) = sidecar.output(arguments);
    assert!(succeeded, "{arguments:?}: {errors}");
    output
}

fn key_in(url: &str) -> String {
    let (_, key) = url.trim().rsplit_once("webhook=").unwrap();
    key.to_owned()
}

/// The status of a call of an existing member.
async fn call(sidecar: &Sidecar, key: &str) -> u16 {
    let fields = [("email", "ann@example.com")];
    sidecar.client.call(key, &fields).await.status
}

async fn record(site: &Site, id: u64) -> String {
    let sql = format!("SELECT value FROM wp_fcom_meta WHERE id = {id}");
    site.text(&sql).await.unwrap()
}

async fn id_of(site: &Site, key: &str) -> u64 {
    let sql = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{key}'");
    site.number(&sql).await
}

/// The sample site's records are the ones that the plugin's code wrote.
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
             AND meta_key REGEXP BINARY '^[0-9a-f]{{32}}$' AND created_at = updated_at AND {local}"
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
    assert_eq!(
        crate::webhook_record::running_count(&record(&site, id).await),
        3
    );
    let kept = site
        .text("SELECT HEX(key_hash) FROM wp_fcom_sidecar_old_keys")
        .await;
    assert_eq!(kept.unwrap().len(), 64);
    let member = format!("SELECT COUNT(*) FROM wp_fcom_space_user WHERE user_id = '{user}'");
    assert_eq!(site.number(&member).await, 2);
    // The key is compared as it is, not as a collation sees it.
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
    let fourth = rotate(&["--grace-hours", "0"]);
    assert_eq!(call(&sidecar, &third).await, 404);
    assert_eq!(call(&sidecar, &second).await, 200);
    assert_eq!(call(&sidecar, &fourth).await, 200);
    assert_eq!(key_in(&command(&sidecar, &["webhook", "url", "3"])), fourth);
    let runs = record(&site, 3).await;
    assert_eq!(crate::webhook_record::running_count(&runs), 5);
}

/// The plugin writes back what it read before the calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn edits_and_runs_at_once_lose_neither() {
    const RUNS: usize = 60;
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let made = save(&sidecar, &json!({"title": "0"})).await;
    let (id, key) = (
        made["id"].as_u64().unwrap(),
        made["meta_key"].as_str().unwrap(),
    );
    let calls = futures_util::future::join_all((0..RUNS).map(|n| {
        let client = sidecar.client.clone();
        async move {
            let email = format!("user{}@example.com", n % 7);
            client.execute(key, &[("email", &email)]).await
        }
    }));
    let edits = async {
        for n in 1..=30 {
            let title = n.to_string();
            save(
                &sidecar,
                &json!({"id": id, "title": title, "space_ids": [1]}),
            )
            .await;
        }
    };
    tokio::join!(calls, edits);
    let expected = format!(
        r#"a:7:{{s:5:"title";s:2:"30";s:10:"course_ids";a:0:{{}}s:9:"space_ids";a:1:{{i:0;i:1;}}s:17:"remove_course_ids";a:0:{{}}s:16:"remove_space_ids";a:0:{{}}s:21:"send_wp_welcome_email";s:2:"no";s:13:"running_count";i:{RUNS};}}"#
    );
    assert_eq!(record(&site, id).await, expected);
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_names_things_and_keeps_keys_to_itself() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    site.execute("UPDATE wp_fcom_spaces SET title = 'Twin' WHERE id IN (3, 4)")
        .await;
    for arguments in [
        &["webhook", "list"][..],
        &["webhook", "list", "--json"],
        &["webhook", "show", "4"],
        &["webhook", "show", "4", "--json"],
        &["webhook", "update", "4", "--title", "Renamed", "--json"],
    ] {
        let output = command(&sidecar, arguments);
        assert!(!output.contains(MEMBERS_HOOK), "{arguments:?}: {output}");
    }
    let card = command(&sidecar, &["webhook", "show", "4"]);
    assert!(
        card.contains("Renamed") && card.contains("1 (Space 1), 2 (Space 2)"),
        "{card}"
    );
    let list = command(&sidecar, &["webhook", "list", "--search", "Renamed"]);
    assert_eq!(list.lines().count(), 2, "{list}");
    for (arguments, said) in [
        (
            &["webhook", "create", "--title", "x", "--space", "twin"][..],
            "space-4",
        ),
        (
            &["webhook", "create", "--title", "x", "--space", "Course 1"],
            "there is no space",
        ),
        (&["webhook", "create", "--title", " "], "--title is empty"),
        (
            &["webhook", "update", "99", "--title", "x"],
            "there is no webhook 99",
        ),
        (&["webhook", "show", "99"], "webhook list"),
        (&["webhook", "delete", "99"], "there is no webhook 99"),
    ] {
        let (succeeded, _, errors) = sidecar.output(arguments);
        assert!(
            !succeeded && errors.contains(said),
            "{arguments:?}: {errors}"
        );
    }
    assert_eq!(site.webhooks().await.len(), 8);
    command(
        &sidecar,
        &[
            "webhook",
            "update",
            "4",
            "--space",
            "",
            "--welcome-email",
            "no",
        ],
    );
    let emptied = record(&site, 4).await;
    assert!(
        emptied.contains(r#"s:9:"space_ids";a:0:{}"#) && emptied.contains(r#"s:2:"no";"#),
        "{emptied}"
    );
    command(&sidecar, &["webhook", "delete", "4"]);
    assert_eq!(site.webhooks().await.len(), 7);
}
