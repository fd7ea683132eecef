//! Edits that race with other writers of the same webhook.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{MySql, Transaction};

use super::{call, command, key_in, manage, record, save};
use crate::harness::eventually::eventually_every;
use crate::harness::management::{TOKEN, start};
use crate::harness::metrics::{scrape, value, wait_for};
use crate::harness::proxy::Proxy;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

const LOCK_WAIT: &str = "FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS";
const CONFLICTS: &str = r#"fcom_sidecar_database_errors_total{reason="lock_conflict"}"#;

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

/// Waits until a change that holds the webhook waits for a lock of `other`, then makes them deadlock. The server rolls
/// back the change, because it has written less.
async fn deadlock(site: &Site, mut other: Transaction<'_, MySql>) {
    let waiting = format!(
        "SELECT COUNT(*) FROM information_schema.innodb_trx JOIN information_schema.processlist \
         ON id = trx_mysql_thread_id WHERE db = '{}' AND trx_state = 'LOCK WAIT' \
         AND info LIKE 'INSERT%fcom_sidecar_old_keys%'",
        site.database
    );
    // InnoDB caches its answer, so a reader that polls faster gets the same one again.
    eventually_every(Duration::from_millis(150), async || {
        let waits = site.count_of_sessions(&waiting).await > 0;
        waits.then_some(()).ok_or("no change waits")
    })
    .await;
    let webhook = "SELECT id FROM wp_fcom_meta WHERE id = 3 FOR UPDATE";
    sqlx::raw_sql(webhook).execute(&mut *other).await.unwrap();
    other.rollback().await.unwrap();
}

/// A transaction that has written a lot, and finally the key of webhook 3: replacing that key must wait for it.
const IN_THE_WAY: &str = "INSERT INTO wp_options (option_name, option_value) \
     SELECT CONCAT('in_the_way_', umeta_id), '' FROM wp_usermeta LIMIT 100; \
     SELECT meta_key INTO @key FROM wp_fcom_meta WHERE id = 3; \
     INSERT INTO wp_fcom_sidecar_old_keys (key_hash, webhook_id, valid_until) \
     VALUES (UNHEX(SHA2(@key, 256)), 3, UTC_TIMESTAMP())";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_loses_a_deadlock_is_tried_again() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let other = site.lock(IN_THE_WAY).await;
    let rotate = manage(&sidecar, "POST", "/3/rotate", &Value::Null);
    let (rotated, ()) = tokio::join!(rotate, deadlock(&site, other));
    assert_eq!(rotated.status, 200, "{}", rotated.text());
    let conflicts = value(&scrape(&sidecar.client).await, CONFLICTS);
    assert!(conflicts >= 1.0, "{conflicts}");
    let rotated = rotated.json();
    let key = rotated["webhook"]["meta_key"].as_str().unwrap();
    for key in [PLAIN_HOOK, key] {
        assert_eq!(call(&sidecar, key).await, 200);
    }

    let other = site.lock(IN_THE_WAY).await;
    let url = std::thread::scope(|scope| {
        let rotate = scope.spawn(|| command(&sidecar, &["webhook", "rotate", "3"]));
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| runtime.block_on(deadlock(&site, other)));
        rotate.join().unwrap()
    });
    let newest = key_in(&url);
    sidecar.client.record(std::slice::from_ref(&newest));
    for key in [PLAIN_HOOK, key, &newest] {
        assert_eq!(call(&sidecar, key).await, 200);
    }
    let kept = "SELECT COUNT(*) FROM wp_fcom_sidecar_old_keys";
    assert_eq!(site.number(kept).await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_outlasts_somebody_who_holds_the_webhook_for_long() {
    let site = Site::new("71").await;
    let settings = [("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN), (LOCK_WAIT, "1")];
    let sidecar = Sidecar::start_with(&site, &settings).await;
    let holder = site
        .lock("SELECT id FROM wp_fcom_meta WHERE id = 3 FOR UPDATE")
        .await;
    let let_go = async {
        wait_for(&sidecar.client, CONFLICTS, |conflicts| conflicts > 0.0).await;
        holder.rollback().await.unwrap();
    };
    let edit = json!({"id": 3, "title": "Edited"});
    let (saved, ()) = tokio::join!(save(&sidecar, &edit), let_go);
    assert_eq!(saved["value"]["title"], "Edited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_commit_is_not_answered_is_not_called_undone() {
    let site = Site::new("71").await;
    let proxy = Proxy::start(&site).await;
    let url = proxy.url(&site);
    let settings = [
        ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
        ("FCOM_SIDECAR__DATABASE__URL", &url),
    ];
    let sidecar = Sidecar::start_with(&site, &settings).await;
    let edit = json!({"id": 3, "title": "Edited"});
    let saving = manage(&sidecar, "POST", "", &edit);
    let (answer, ()) = tokio::join!(saving, proxy.hold_the_next_commit());
    assert_eq!(answer.status, 503);
    let said = answer.json();
    assert_eq!(said["code"], "outcome_unknown", "{said}");
    let message = said["message"].as_str().unwrap();
    assert!(message.contains("before you repeat it"), "{message}");
    sidecar.says("management perhaps done").await;
    proxy.deliver();
    site.comes("SELECT COUNT(*) FROM wp_fcom_meta WHERE id = 3 AND value LIKE '%\"Edited\"%'")
        .await;
}
