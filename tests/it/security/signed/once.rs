//! A signed call is executed once, however often and by whom it is sent; then it gets the first answer.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use super::{
    FORM, MULTIPART, OTHER_SECRET, Recorded, SECRET, assert_is, assert_replayed, multipart, runs,
    start,
};
use crate::harness::invariants;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site, target};

#[tokio::test]
async fn a_signed_call_is_executed_once_and_then_answered_as_before() {
    let site = Site::new("71").await;
    let mut one = start(&site).await;
    let two = start(&site).await;
    let now = site.now().await;
    let body = "email=victim%40example.com&first_name=Vic";
    let call = Recorded::signed(SECRET, "msg_1", now, FORM, body);
    let answers = join_all((0..24).map(|n| call.send([&one, &two][n % 2]))).await;
    let first = answers
        .iter()
        .find(|one| one.header("idempotent-replayed").is_none());
    let first = first.expect("one was executed").clone();
    assert!(
        answers
            .iter()
            .all(|one| one.status == 200 && one.text() == first.text())
    );
    // The sender's own repetition, at another time and in another form, after a crash, and with the webhook's new key.
    one.kill();
    one.restart().await;
    assert_replayed(&call.send(&one).await, &first);
    let later = Recorded::signed(SECRET, "msg_1", now - 60, FORM, body);
    assert_replayed(&later.send(&one).await, &first);
    let parts = multipart(&[("first_name", "Vic"), ("email", "victim@example.com")]);
    let parts = Recorded::signed(SECRET, "msg_1", now, MULTIPART, parts);
    assert_replayed(&parts.send(&one).await, &first);
    let (succeeded, told, errors) = one.output(&["webhook", "rotate", "3"]);
    assert!(succeeded, "{errors}");
    let (_, key) = told.trim().rsplit_once("webhook=").unwrap();
    one.client.record(&[key.to_owned()]);
    for key in [key, PLAIN_HOOK] {
        assert_replayed(&call.send_to(&target(key), &one).await, &first);
    }
    // Another call with this id, which a signature without validity cannot ask about.
    let other = Recorded::signed(SECRET, "msg_1", now, FORM, "email=other%40example.com");
    assert_is(&other.send(&one).await, 422, "webhook-id was used");
    let wrong = other.but("webhook-signature", "v1,AAAA");
    assert_is(&wrong.send(&one).await, 401, "wrong");
    assert_eq!(runs(&site).await, 1);
    // One event may go to several webhooks, each with its secret; and the id of a call that is not asked for a signature
    // says nothing.
    let elsewhere = Recorded::signed(OTHER_SECRET, "msg_1", now, FORM, body);
    let members = elsewhere.send_to(&target(MEMBERS_HOOK), &one).await;
    assert_is(&members, 200, "user_id");
    assert_eq!(members.header("idempotent-replayed"), None);
    let crossed = call.send_to(&target(MEMBERS_HOOK), &one).await;
    assert_is(&crossed, 401, "wrong");
    for _ in 0..2 {
        let unasked = call.send_to(&target(SPACES_HOOK), &one).await;
        assert_is(&unasked, 200, "user_id");
        assert_eq!(unasked.header("idempotent-replayed"), None);
    }
    assert_eq!(runs(&site).await, 4);
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_signed_call_is_executed_once_although_the_daemon_is_killed() {
    let site = Site::new("71").await;
    let mut sidecar = start(&site).await;
    let now = site.now().await;
    let daemon = sidecar.client.public;
    for round in 0..6 {
        let mut answers = FuturesUnordered::new();
        for n in 0..16 {
            let id = format!("{round}-{}", n % 8);
            let body = format!("email=new{id}%40example.com");
            let call = Recorded::signed(SECRET, &id, now, FORM, body);
            answers.push(async move { (id, call.until_executed(daemon).await) });
        }
        // The number of answers sets the time of the kill, so that the kills hit different moments.
        let mut answered = Vec::new();
        for _ in 0..round {
            answered.push(answers.next().await.unwrap());
        }
        sidecar.kill();
        sidecar.restart().await;
        answered.extend(answers.collect::<Vec<_>>().await);
        let first: BTreeMap<_, _> = answered.iter().cloned().collect();
        assert_eq!(first.len(), 8);
        for (id, answer) in &answered {
            assert_eq!(first.get(id), Some(answer), "{id}");
        }
    }
    assert_eq!(runs(&site).await, 6 * 8);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_call_that_was_not_executed_does_not_use_up_its_id() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let now = site.now().await;
    let call = Recorded::signed(SECRET, "msg_1", now, FORM, "email=victim%40example.com");
    site.execute("UPDATE wp_fcom_meta SET value = CONCAT('x', value) WHERE id = 3")
        .await;
    assert_is(&call.send(&sidecar).await, 423, "not readable");
    site.execute("UPDATE wp_fcom_meta SET value = SUBSTRING(value, 2) WHERE id = 3")
        .await;
    site.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON wp_fcom_sidecar_signed FOR EACH ROW \
         SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'not now'",
    )
    .await;
    assert_is(&call.send(&sidecar).await, 503, "nothing was changed");
    assert_eq!(runs(&site).await, 0);
    site.execute("DROP TRIGGER refuse").await;
    let first = call.send(&sidecar).await;
    assert_is(&first, 200, "user_id");
    assert_eq!(first.header("idempotent-replayed"), None);
    assert_replayed(&call.send(&sidecar).await, &first);
    invariants::assert_hold(&site).await;
}

/// An `Idempotency-Key` is not signed: it may keep a call from being executed, and its absence executes nothing again.
#[tokio::test]
async fn a_signed_call_with_a_key_is_executed_once_by_either() {
    let site = Site::new("71").await;
    let sidecar = start(&site).await;
    let now = site.now().await;
    let call = |id: &str, body: &str| Recorded::signed(SECRET, id, now, FORM, body);
    let plain = call("msg_1", "email=victim%40example.com");
    let first = plain
        .clone()
        .with("Idempotency-Key", "order 1")
        .send(&sidecar)
        .await;
    assert_is(&first, 200, "user_id");
    assert_replayed(&plain.send(&sidecar).await, &first);
    let other = plain.clone().with("Idempotency-Key", "order 2");
    assert_replayed(&other.send(&sidecar).await, &first);
    // The sender signs its repetition anew.
    let again = call("msg_2", "email=victim%40example.com");
    let keyed = again.clone().with("Idempotency-Key", "order 1");
    assert_replayed(&keyed.send(&sidecar).await, &first);
    assert_replayed(&again.send(&sidecar).await, &first);
    let differs = call("msg_3", "email=other%40example.com").with("Idempotency-Key", "order 1");
    assert_is(&differs.send(&sidecar).await, 422, "Idempotency-Key");
    assert_eq!(runs(&site).await, 1);
    // Equal texts as a key and as an id have nothing to do with each other.
    let id = call("order 1", "email=third%40example.com")
        .send(&sidecar)
        .await;
    assert_is(&id, 200, "user_id");
    assert_eq!(id.header("idempotent-replayed"), None);
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn ids_of_signed_calls_are_forgotten_in_time_and_not_stored() {
    let site = Site::new("71").await;
    let mut sidecar = start(&site).await;
    let now = site.now().await;
    for id in ["secret-order-1", "secret-order-2"] {
        let call = Recorded::signed(SECRET, id, now, FORM, "email=victim%40example.com");
        assert_is(&call.send(&sidecar).await, 200, "user_id");
    }
    let kept = "SELECT COUNT(*) FROM wp_fcom_sidecar_signed";
    assert_eq!(site.number(kept).await, 2);
    let stored = "SELECT COUNT(*) FROM wp_fcom_sidecar_signed WHERE CONCAT(id_hash, fields_hash, outcome) LIKE '%order%'";
    assert_eq!(site.number(stored).await, 0);
    let age =
        "UPDATE wp_fcom_sidecar_signed SET created_at = created_at - INTERVAL 25 HOUR LIMIT 1";
    site.execute(age).await;
    // The daemon forgets when it starts.
    sidecar.terminate();
    sidecar.restart().await;
    let old = "SELECT COUNT(*) FROM wp_fcom_sidecar_signed WHERE created_at < UTC_TIMESTAMP() - INTERVAL 24 HOUR";
    site.goes(old).await;
    assert_eq!(site.number(kept).await, 1);
}
