//! Events that wait for long: what they cost, and when they are given up.

use serde_json::{Value, json};

use super::trouble::{ANN, BOB};
use super::{PREFIX, Relayed};
use crate::harness::metrics;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK};
use crate::harness::tables::{waiting_events, waiting_users};

/// Every page that looks at WP-Cron's schedule asks for the events that are due.
#[tokio::test]
async fn a_page_costs_the_same_however_many_events_wait_behind_a_failing_one() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    let idle = relayed.php("cron", json!({})).await;
    relayed.site.execute(&waiting_events(PREFIX)).await;
    let waiting = relayed.php("cron", json!({})).await;
    let read = |page: &Value| page["reads"].as_u64().unwrap();
    assert!(read(&waiting) < read(&idle) + 2000, "{idle} {waiting}");
    assert!(!waiting["ready"].to_string().contains("fcom_sidecar_relay"));

    // Whoever comes last is found all the same, and fired.
    let ann = sidecar.client.execute(PLAIN_HOOK, ANN).await;
    relayed
        .site
        .execute(&format!(
            "UPDATE {PREFIX}fcom_sidecar_events SET due_at = UTC_TIMESTAMP(3) - INTERVAL 1 MINUTE WHERE user_id = {ann}"
        ))
        .await;
    let due = relayed.php("cron", json!({})).await;
    assert!(read(&due) < read(&idle) + 2000, "{idle} {due}");
    assert!(
        due["ready"].to_string().contains("fcom_sidecar_relay"),
        "{due}"
    );
    let ran = relayed.run().await;
    assert_eq!(
        (&ran["failed"], &ran["more"]),
        (&json!(0), &json!(false)),
        "{ran}"
    );
    // The daemon may have had some of them fired meanwhile.
    let of_ann = format!("user_id = {ann} AND state = 'done'");
    assert!(relayed.count(&of_ann).await >= ran["done"].as_u64().unwrap());
    assert_eq!(relayed.count("state = 'pending'").await, 100_001);
}

/// A listener that fails for everybody.
#[tokio::test]
async fn a_page_costs_the_same_however_many_users_wait() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    let idle = relayed.php("cron", json!({})).await;
    relayed.site.execute(&waiting_users(PREFIX)).await;
    let waiting = relayed.php("cron", json!({})).await;
    let read = |page: &Value| page["reads"].as_u64().unwrap();
    assert!(read(&waiting) < read(&idle) + 2000, "{idle} {waiting}");
    assert!(!waiting["ready"].to_string().contains("fcom_sidecar_relay"));

    // A run finds the only user for whom it does not fail.
    let ann = sidecar.client.execute(PLAIN_HOOK, ANN).await;
    let ran = relayed.run().await;
    assert_eq!(
        (&ran["failed"], &ran["more"]),
        (&json!(0), &json!(false)),
        "{ran}"
    );
    let of_ann = format!("user_id = {ann} AND state = 'done'");
    assert_eq!(relayed.count(&of_ann).await, 3);
    assert_eq!(relayed.count("state = 'pending'").await, 300_000);
}

/// Half a year without the plugin, and then it is installed.
#[tokio::test]
async fn what_waited_for_a_week_is_given_up_and_fired_only_on_demand() {
    let relayed = Relayed::new().await;
    let off = relayed.sidecar(&[]).await;
    let ann = off.client.execute(SPACES_HOOK, ANN).await;
    let bob = off.client.execute(SPACES_HOOK, BOB).await;
    drop(off);
    for (user, days) in [(ann, 8), (bob, 6)] {
        relayed
            .site
            .execute(&format!(
                "UPDATE {PREFIX}fcom_sidecar_events SET created_at = created_at - INTERVAL {days} DAY,
                    due_at = due_at - INTERVAL {days} DAY WHERE user_id = {user}"
            ))
            .await;
    }
    let (sidecar, _server) = relayed.woken().await;
    relayed.wait_until_none("state = 'pending'").await;
    let of = |user: u64, state: &str| format!("user_id = {user} AND state = '{state}'");
    assert_eq!(relayed.count(&of(ann, "dead")).await, 6);
    assert_eq!(relayed.count(&of(bob, "done")).await, 6);
    assert_eq!(relayed.record().len(), 6);
    sidecar
        .says("6 hooks waited longer than relay.give_up_days and are given up")
        .await;
    let dead = r#"fcom_sidecar_events{state="dead"}"#;
    metrics::wait_for(&sidecar.client, dead, |dead| (5.5..6.5).contains(&dead)).await;
    let before = sidecar.log().len();
    assert!(sidecar.run(&["relay", "status"]).success());
    let status = sidecar.log().split_off(before);
    assert!(
        status.contains("it waited longer than relay.give_up_days"),
        "{status}"
    );

    assert!(sidecar.run(&["relay", "retry", "--all-dead"]).success());
    relayed.wait_until_none("state <> 'done'").await;
    assert_eq!(relayed.record().len(), 12);
}

/// More than a batch of each of two members, and one that is not given up.
#[tokio::test]
async fn all_that_was_given_up_can_be_retried_or_dropped_however_much_it_is() {
    let relayed = Relayed::new().await;
    let off = relayed.sidecar(&[]).await;
    off.client.execute(PLAIN_HOOK, ANN).await;
    let pending = relayed.count("state = 'pending'").await;
    let dead = format!(
        "INSERT INTO {PREFIX}fcom_sidecar_events (user_id, kind, state, attempts, due_at, created_at)
            WITH RECURSIVE numbers AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM numbers WHERE n < 700)
            SELECT m.id, 'user_changed', 'dead', 10, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)
            FROM numbers JOIN (SELECT 1 AS id UNION ALL SELECT 2) m"
    );
    relayed.site.execute(&dead).await;
    assert!(off.run(&["relay", "retry", "--all-dead"]).success());
    off.says("1400 events are due now").await;
    assert_eq!(relayed.count("state = 'dead'").await, 0);
    let due = relayed.count("state = 'pending' AND attempts = 0").await;
    assert_eq!(due, pending + 1400);

    relayed.site.execute(&dead).await;
    assert!(!off.run(&["relay", "drop"]).success());
    assert!(off.run(&["relay", "drop", "--all-dead"]).success());
    off.says("1400 events are dropped").await;
    assert_eq!(relayed.count("state = 'dead'").await, 0);
    assert_eq!(relayed.count("state = 'pending'").await, due);
    assert!(off.run(&["relay", "drop", "--all-dead"]).success());
    off.says("0 events are dropped").await;
}
