//! Webhook records and application passwords, checked by WordPress.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{PREFIX, RealSite};
use crate::harness::http;
use crate::harness::management::PATH;

const TITLES: [&str; 9] = [
    "Shop",
    " <b>bold</b>\n & \"quoted\" \\ 'it' ",
    "a < b > c <d",
    "100%20 %e2%9c%93 50% %2",
    "Ünïcödé ✓ 密码 😀",
    "<script>alert(1)</script> <!-- x --> end",
    "tab\tand  two  spaces",
    "a:1:{i:0;i:1;}",
    "x<\ny",
];

/// Saves a webhook with an application password that WordPress created, and lets WordPress read what was written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wordpress_reads_records_as_they_were_meant_and_its_passwords_open() {
    let real = RealSite::install().await;
    let environment = [("FCOM_SIDECAR__ADMIN__APPLICATION_PASSWORDS", "on")];
    let sidecar = real.sidecar_with(&environment).await;
    let input = json!({"values": [], "titles": TITLES});
    let made = real.php("webhooks", input).await;
    let password = made["password"].as_str().unwrap();
    sidecar.client.record(&[password.to_owned()]);
    let credentials = STANDARD.encode(format!("admin:{password}"));
    let authorization = format!("Basic {credentials}");
    let mut expected = Vec::new();
    for (number, title) in TITLES.iter().enumerate() {
        let body = json!({
            "title": title, "space_ids": [2, 1], "course_ids": [5], "remove_space_ids": [3, 4],
            "send_wp_welcome_email": if number % 2 == 0 { "yes" } else { "no" },
        });
        let headers = [
            ("Authorization", authorization.as_str()),
            ("Content-Type", "application/json"),
        ];
        let body = body.to_string();
        let saved = http::request(
            sidecar.client.admin,
            "POST",
            PATH,
            &headers,
            body.as_bytes(),
        )
        .await
        .unwrap();
        assert_eq!(saved.status, 200, "{title}: {}", saved.text());
        let saved = saved.json();
        let key = saved["webhook"]["meta_key"].as_str().unwrap().to_owned();
        assert!(
            saved["webhook"]["webhook_url"]
                .as_str()
                .unwrap()
                .starts_with(&format!("http://{}/portal/?", real.server.address))
        );
        sidecar.client.record(&[key]);
        expected.push(json!({
            "record": {
                "title": made["titles"][number], "course_ids": [5], "space_ids": [1, 2], "remove_course_ids": [],
                "remove_space_ids": [3, 4], "send_wp_welcome_email": if number % 2 == 0 { "yes" } else { "no" },
            },
            "same_again": true,
            "title_again": true,
        }));
        assert_eq!(saved["webhook"]["value"], expected[number]["record"]);
    }
    let sql = format!(
        "SELECT value FROM {PREFIX}fcom_meta WHERE object_type = 'webhook' AND id > 10 ORDER BY id"
    );
    let values = real.site.column(&sql).await;
    let judged = real
        .php("webhooks", json!({"values": values, "titles": []}))
        .await;
    assert_eq!(judged["read"], json!(expected));
}
