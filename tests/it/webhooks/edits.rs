//! Edits while others are busy with the same webhook.

use serde_json::json;

use super::{record, save, start};
use crate::site::Site;

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
