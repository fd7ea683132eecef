//! A call that is alone counts its own run as it commits.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{KNOWN_USER, PLAIN_HOOK, Site};
use crate::harness::webhook_record::running_count;

const WEBHOOK: u64 = 3;
const LOCK_WAIT: &str = "FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS";
const EXISTING: [(&str, &str); 1] = [("email", "existing@example.com")];

async fn record(site: &Site) -> String {
    let webhooks = site.webhooks().await;
    let record = webhooks.into_iter().find(|(id, _)| *id == WEBHOOK);
    record.unwrap().1
}

async fn uncounted(site: &Site) -> u64 {
    site.number("SELECT COUNT(*) FROM wp_fcom_sidecar_runs WHERE NOT tallied")
        .await
}

/// wp-admin saves a webhook while a call that has read it waits: both changes are kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_between_reading_and_committing_is_kept() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    sidecar.client.execute(PLAIN_HOOK, &EXISTING).await;
    let blocker = site.lock(KNOWN_USER).await;
    let client = sidecar.client.clone();
    let call = tokio::spawn(async move { client.call(PLAIN_HOOK, &EXISTING).await });
    site.a_call_waits().await;
    site.execute(&format!(
        r#"UPDATE wp_fcom_meta SET value = REPLACE(value, '"Hook"', '"Edit"') WHERE id = {WEBHOOK}"#
    ))
    .await;
    blocker.rollback().await.unwrap();
    assert_eq!(call.await.unwrap().status, 200);
    let record = record(&site).await;
    assert!(record.contains(r#"s:4:"Edit""#), "{record}");
    assert_eq!(running_count(&record), 2);
    invariants::assert_hold(&site).await;
}

/// Somebody holds the webhook for long, or a trigger refuses to have it written: calls are executed all the same, and
/// counted as soon as that is possible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_cannot_be_written_is_counted_later() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[(LOCK_WAIT, "1")]).await;
    let holder = site
        .lock("SELECT id FROM wp_fcom_meta WHERE id = 3 FOR UPDATE")
        .await;
    for _ in 0..3 {
        sidecar.client.execute(PLAIN_HOOK, &EXISTING).await;
    }
    assert_eq!(uncounted(&site).await, 3);
    holder.rollback().await.unwrap();
    invariants::wait_for_tally(&site).await;
    assert_eq!(running_count(&record(&site).await), 3);
    drop(sidecar);

    let sidecar = Sidecar::start(&site).await;
    site.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON wp_fcom_meta FOR EACH ROW \
         SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'",
    )
    .await;
    for _ in 0..3 {
        sidecar.client.execute(PLAIN_HOOK, &EXISTING).await;
    }
    assert_eq!(uncounted(&site).await, 3);
    site.execute("DROP TRIGGER refuse").await;
    invariants::wait_for_tally(&site).await;
    assert_eq!(running_count(&record(&site).await), 6);
    invariants::assert_hold(&site).await;
}

/// Calls at several instances, some alone and some not, while wp-admin saves the webhook again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_run_is_counted_once_whoever_counts_it() {
    const CALLS: u64 = 60;
    let site = Arc::new(Site::new("71").await);
    let sidecars = [Sidecar::start(&site).await, Sidecar::start(&site).await];
    let mut tasks = JoinSet::new();
    for (sidecar, callers) in sidecars.iter().zip([1, 3]) {
        for _ in 0..callers {
            let client = sidecar.client.clone();
            tasks.spawn(async move {
                for user in 0..CALLS {
                    let email = format!("user{}@example.com", user % 4);
                    client.execute(PLAIN_HOOK, &[("email", &email)]).await;
                }
            });
        }
    }
    let edited = Arc::clone(&site);
    let edits = tokio::spawn(async move {
        for n in 0..40 {
            let title = format!("{n:04}");
            // Under a lock, as wp-admin does not: it may lose counts.
            edited
                .execute(&format!(
                    r#"UPDATE wp_fcom_meta SET value = CONCAT('a:', SUBSTRING(value, 3, LOCATE('s:5:"title";s:4:"', value) - 3),
                           's:5:"title";s:4:"', '{title}', SUBSTRING(value, LOCATE('s:5:"title";s:4:"', value) + 21))
                       WHERE id = {WEBHOOK}"#
                ))
                .await;
        }
    });
    tasks.join_all().await;
    edits.await.unwrap();
    let record = record(&site).await;
    assert!(record.contains(r#"s:4:"0039""#), "{record}");
    assert_eq!(running_count(&record), 4 * CALLS);
    invariants::assert_hold(&site).await;
}
