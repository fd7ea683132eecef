//! A mail that could not leave at once: what its recipient has done meanwhile decides whether it still does.

use crate::harness::outbox::{LAST_STATE, LAST_WORDS, PACE, becomes, create, start, waits_because};
use crate::harness::proxy::Proxy;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
use crate::harness::smtp_peer::{Closed, Play};

const KEY: &str = "SELECT user_activation_key FROM wp_users ORDER BY ID DESC LIMIT 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_asked_for_a_link_or_has_a_password_gets_no_late_mail() {
    for (change, words) in [
        (
            "user_activation_key = '1795416815:$generic$theirs'",
            "another link",
        ),
        (
            "user_pass = '$wp$2y$10$theirs', user_activation_key = ''",
            "another password",
        ),
    ] {
        // Before the first attempt, and after one.
        for is_tried in [false, true] {
            let (site, closed) = (Site::new("71").await, Closed::new());
            let mut sidecar = start(&site, &format!("smtp://{}", closed.address())).await;
            let peer = if is_tried {
                let peer = closed.open();
                peer.play(&[Play::Recipient("450 4.2.0 greylisted"); 100]);
                create(&sidecar, "late@example.com").await;
                waits_because(&site, "greylisted").await;
                sidecar.terminate();
                peer
            } else {
                create(&sidecar, "late@example.com").await;
                waits_because(&site, "refused").await;
                sidecar.terminate();
                closed.open()
            };
            let tried = site.text(KEY).await.unwrap();
            assert_eq!(tried.is_empty(), !is_tried, "{tried}");
            let change =
                format!("UPDATE wp_users SET {change} WHERE user_email = 'late@example.com'");
            site.execute(&change).await;
            let key = site.text(KEY).await;
            sidecar.restart().await;
            becomes(&site, LAST_STATE, "skipped").await;
            assert!(site.text(LAST_WORDS).await.unwrap().contains(words));
            assert_eq!(site.text(KEY).await, key);
            assert_eq!(peer.messages(), [""; 0]);
        }
    }
}

/// Without the event, WordPress would go on with a cached user who lacks the key of the link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_wordpress_cannot_be_told_of_is_not_stored() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let url = format!("smtp://{}", closed.address());
    let mut environment = PACE.to_vec();
    environment.extend([
        ("FCOM_SIDECAR__SMTP__URL", url.as_str()),
        ("FCOM_SIDECAR__RELAY__ENABLED", "true"),
    ]);
    let sidecar = Sidecar::start_with(&site, &environment).await;
    create(&sidecar, "cached@example.com").await;
    waits_because(&site, "refused").await;
    site.execute(
        "CREATE TRIGGER no_news BEFORE INSERT ON wp_fcom_sidecar_events FOR EACH ROW SET NEW.due_at = IF(NEW.kind = 'user_changed', NULL, NEW.due_at)",
    )
    .await;
    let peer = closed.open();
    waits_because(&site, "note that a user has changed").await;
    assert_eq!(site.text(KEY).await.as_deref(), Some(""));
    assert_eq!(peer.messages(), [""; 0]);
    site.execute("DROP TRIGGER no_news").await;
    becomes(&site, LAST_STATE, "sent").await;
}

/// As when its process was stopped for a while: by now another one may have sent the mail, with a link of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_comes_too_late_does_not_replace_the_link_that_was_sent() {
    let (site, closed) = (Site::new("71").await, Closed::new());
    let (url, proxy) = (
        format!("smtp://{}", closed.address()),
        Proxy::start(&site).await,
    );
    let _peer = closed.open();
    let database = proxy.url(&site);
    let mut environment = PACE.to_vec();
    environment.extend([
        ("FCOM_SIDECAR__SMTP__URL", url.as_str()),
        ("FCOM_SIDECAR__DATABASE__URL", &database),
    ]);
    let sidecar = Sidecar::start_with(&site, &environment).await;
    // Not due before the proxy looks for the attempt.
    site.execute(
        "CREATE TRIGGER tomorrow BEFORE INSERT ON wp_fcom_sidecar_mail FOR EACH ROW
            SET NEW.next_attempt_at = UTC_TIMESTAMP() + INTERVAL 1 DAY",
    )
    .await;
    create(&sidecar, "twice@example.com").await;
    let due = "UPDATE wp_fcom_sidecar_mail SET next_attempt_at = UTC_TIMESTAMP()";
    tokio::join!(proxy.hold_the_next_commit(), site.execute(due));
    assert_eq!(site.text(KEY).await.as_deref(), Some(""));
    site.execute(due).await;
    becomes(&site, LAST_STATE, "sent").await;
    let sent = site.text(KEY).await;
    proxy.deliver_to_the_end().await;
    assert_eq!(site.text(KEY).await, sent);
}
