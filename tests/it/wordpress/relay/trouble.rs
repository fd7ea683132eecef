//! Listeners fail, PHP dies, and no event is lost, fired twice without need, or fired out of order.

use serde_json::json;

use super::{PREFIX, Relayed, php};
use crate::harness::eventually::eventually;
use crate::harness::metrics;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK};

pub(super) const ANN: &[(&str, &str)] = &[("email", "ann@example.com")];
pub(super) const BOB: &[(&str, &str)] = &[("email", "bob@example.com")];

/// Makes events that wait for a retry due now.
pub(super) async fn hurry(relayed: &Relayed) {
    relayed
        .site
        .execute(&format!(
            "UPDATE {PREFIX}fcom_sidecar_events SET due_at = UTC_TIMESTAMP(3) WHERE state = 'pending'"
        ))
        .await;
}

#[tokio::test]
async fn a_listener_that_fails_is_tried_again_and_others_go_on() {
    for (how, words) in [
        (
            "throw",
            "DomainException: the CRM is away in wp-content/mu-plugins/recorder.php:",
        ),
        ("wp_die", "wp_die: not today"),
    ] {
        let relayed = Relayed::new().await;
        let sidecar = relayed.sidecar(&[]).await;
        let ann = sidecar.client.execute(SPACES_HOOK, ANN).await;
        let bob = sidecar.client.execute(SPACES_HOOK, BOB).await;
        relayed.trouble(ann, "user_register", how);
        let ran = relayed.run().await;
        assert_eq!(ran, json!({"done": 8, "failed": 1, "more": false}), "{how}");
        let of_bob = format!("user_id = {bob} AND state = 'done'");
        assert_eq!(relayed.count(&of_bob).await, 6);
        let error = format!(
            "SELECT last_error FROM {PREFIX}fcom_sidecar_events WHERE last_error IS NOT NULL"
        );
        let error = relayed.site.text(&error).await.unwrap();
        assert!(error.contains(words), "{error}");
        // Nothing is due yet, and later events wait, too.
        assert_eq!(relayed.count("state = 'pending'").await, 4);
        assert!(
            relayed
                .count("state = 'pending' AND due_at > UTC_TIMESTAMP(3)")
                .await
                <= 1
        );

        relayed.end_trouble();
        hurry(&relayed).await;
        assert_eq!(relayed.run().await["done"], 4);
        let order = relayed.record();
        let spaces = order
            .iter()
            .filter(|hook| hook["args"][1]["integer"] == ann);
        let spaces: Vec<_> = spaces.map(|hook| hook["args"][0]["id"].clone()).collect();
        assert_eq!(spaces, [1, 2, 4]);
    }
}

#[tokio::test]
async fn what_always_fails_is_given_up_seen_and_mended_by_hand() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    let ann = sidecar.client.execute(SPACES_HOOK, ANN).await;
    relayed.trouble(ann, "fluent_community/space/joined", "throw");
    for _ in 0..3 {
        relayed.run().await;
        hurry(&relayed).await;
    }
    // The relay gives up the first space, and the next ones get their turn.
    assert_eq!(relayed.count("state = 'dead' AND attempts = 3").await, 1);
    let dead = r#"fcom_sidecar_events{state="dead"}"#;
    let text = metrics::wait_for(&sidecar.client, dead, |dead| dead > 0.5).await;
    let waiting = metrics::value(&text, r#"fcom_sidecar_events{state="pending"}"#);
    assert!((waiting - 2.0).abs() < 0.1, "{waiting} wait");
    assert!(sidecar.run(&["relay", "status"]).success());
    let log = sidecar.log();
    assert!(
        log.contains("the CRM is away") && log.contains("dead"),
        "{log}"
    );
    let dead = format!("SELECT id FROM {PREFIX}fcom_sidecar_events WHERE state = 'dead'");
    let dead = relayed.site.text(&dead).await.unwrap();

    relayed.end_trouble();
    assert!(sidecar.run(&["relay", "retry", &dead]).success());
    hurry(&relayed).await;
    relayed.run().await;
    assert_eq!(relayed.count("state <> 'done'").await, 0);
    assert!(!sidecar.run(&["relay", "retry", &dead]).success());
    assert!(sidecar.run(&["relay", "drop", &dead]).success());
    assert!(sidecar.run(&["relay", "status", "--json"]).success());
}

#[tokio::test]
async fn php_that_dies_in_the_middle_is_counted_and_the_hook_is_fired_again() {
    for (how, known) in [
        ("kill", false),
        ("exit", true),
        ("memory", true),
        ("all_memory", true),
    ] {
        let relayed = Relayed::new().await;
        let sidecar = relayed.sidecar(&[]).await;
        let ann = sidecar.client.execute(SPACES_HOOK, ANN).await;
        relayed.trouble(ann, "user_register", how);
        let root = relayed.installation.root().to_owned();
        tokio::task::spawn_blocking(move || php::run_to_death("relay_run", &root))
            .await
            .unwrap();
        let lease = "state = 'pending' AND lease IS NOT NULL";
        assert_eq!(relayed.count(lease).await, u64::from(!known), "{how}");
        if !known {
            // Another process does not take it before the lease ends.
            let ran = relayed.run().await;
            assert_eq!(ran, json!({"done": 0, "failed": 0, "more": false}));
        }
        relayed.end_trouble();
        hurry(&relayed).await;
        relayed.run().await;
        assert_eq!(relayed.count("state <> 'done'").await, 0, "{how}");
        assert_eq!(
            relayed
                .count("interrupted = 1 AND kind = 'user_register'")
                .await,
            1
        );
        assert_eq!(relayed.count("interrupted > 0").await, 1);
        let registered = relayed
            .heard()
            .into_iter()
            .filter(|hook| hook == "user_register");
        assert_eq!(registered.count(), 2, "{how}");
    }
}

/// Each with a pool of PHP processes, and WP-Cron beside them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_web_servers_that_run_at_once_fire_no_hook_twice_and_keep_each_users_order() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    let mut expected = 0;
    for n in 0..12 {
        let email = format!("user{n}@example.com");
        sidecar
            .client
            .execute(MEMBERS_HOOK, &[("email", &email)])
            .await;
        expected += 7;
    }
    // Slow enough for each of them to get a share.
    relayed.trouble_for_all("slow");
    let servers = [relayed.serve().await, relayed.serve().await];
    let [one, two] = &servers;
    let (one, two, again, cron) = tokio::join!(
        relayed.wake(one),
        relayed.wake(two),
        relayed.wake(one),
        relayed.run()
    );
    let done = [one, two, again, cron].map(|ran| ran["done"].as_u64().unwrap());
    let record = relayed.record();
    assert_eq!(
        (done.iter().sum(), record.len() as u64),
        (expected, expected),
        "{done:?}"
    );
    assert!(done[0] + done[2] > 0 && done[1] > 0, "{done:?}");
    for user in 13..25 {
        let of_user = record.iter().filter(|line| {
            let place = usize::from(line["args"][0]["object"].is_string());
            line["args"][place]["integer"] == user
        });
        let hooks: Vec<&str> = of_user.map(|line| line["hook"].as_str().unwrap()).collect();
        let order = [
            "add_user_role",
            "set_user_role",
            "user_register",
            "fluent_community/course/enrolled",
            "fluent_community/course/enrolled",
            "fluent_community/space/joined",
            "fluent_community/space/joined",
        ];
        assert_eq!(hooks, order);
    }
    assert_eq!(relayed.count("interrupted > 0").await, 0);
}

#[tokio::test]
async fn what_is_gone_by_then_is_skipped_with_the_reason() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    let ann = sidecar.client.execute(SPACES_HOOK, ANN).await;
    let bob = sidecar.client.execute(PLAIN_HOOK, BOB).await;
    relayed
        .site
        .execute(&format!(
            "DELETE FROM {PREFIX}users WHERE ID = {bob}; \
             DELETE FROM {PREFIX}fcom_space_user WHERE user_id = '{ann}' AND space_id = 2; \
             DELETE FROM {PREFIX}fcom_spaces WHERE id = 4"
        ))
        .await;
    relayed.run().await;
    let events = relayed.events("last_error").await;
    assert_eq!(
        events,
        [
            "add_user_role done",
            "set_user_role done",
            "user_register done",
            "space_joined done",
            "space_joined skipped the membership is gone",
            "space_joined skipped the space or course was deleted",
            "add_user_role skipped the user was deleted",
            "set_user_role skipped the user was deleted",
            "user_register skipped the user was deleted",
        ]
    );
}

#[tokio::test]
async fn without_fluentcommunity_its_hooks_wait_and_those_of_wordpress_do_not() {
    let relayed = Relayed::new().await;
    let models = relayed.plugins().join("community.php");
    let away = relayed.installation.root().join("community.php");
    std::fs::rename(&models, &away).unwrap();
    let sidecar = relayed.sidecar(&[]).await;
    sidecar.client.execute(SPACES_HOOK, ANN).await;
    assert_eq!(relayed.run().await["done"], 3);
    assert_eq!(relayed.count("state = 'pending' AND attempts = 0").await, 3);
    std::fs::rename(&away, &models).unwrap();
    assert_eq!(relayed.run().await["done"], 3);
}

/// The listeners do what the daemon does itself while the relay is off.
#[tokio::test]
async fn nothing_is_done_twice() {
    let relayed = Relayed::new().await;
    let structured = r#"
        UPDATE wpx_fcom_spaces SET settings = 'a:1:{s:11:"course_type";s:10:"structured";}' WHERE id = 5;
        INSERT INTO wpx_fcom_posts (id, type, space_id, reactions_count, meta) VALUES
            (102, 'course_section', 5, 1, 'a:1:{s:13:"email_enabled";s:3:"yes";}')"#;
    relayed.site.execute(structured).await;
    let jobs = format!("SELECT COUNT(*) FROM {PREFIX}actionscheduler_actions");
    let before = relayed.site.number(&jobs).await;
    let environment = [("FCOM_SIDECAR__MAIL__TRANSPORT", "wordpress")];
    let sidecar = relayed.sidecar(&environment).await;
    let id = sidecar.client.execute(MEMBERS_HOOK, ANN).await;
    assert_eq!(relayed.site.number(&jobs).await, before);
    let counted = format!(
        "SELECT COUNT(*) FROM {PREFIX}options WHERE option_name = 'user_count' AND option_value > 12"
    );
    assert_eq!(relayed.site.number(&counted).await, 0);
    // WordPress sends the mail, between the user's registration and the memberships.
    let ran = relayed.run().await;
    assert_eq!(ran, json!({"done": 8, "failed": 0, "more": false}));
    let kinds = relayed.events("attempts").await;
    assert_eq!(
        kinds[2..5],
        [
            "user_register done 1",
            "welcome_mail done 1",
            "course_enrolled done 1"
        ]
    );
    let mail = std::fs::read_to_string(php::sent_mail(relayed.installation.root())).unwrap();
    assert!(
        mail.contains("ann@example.com") && mail.contains("action=rp"),
        "{mail}"
    );
    let key = format!("SELECT user_activation_key FROM {PREFIX}users WHERE ID = {id}");
    assert!(
        relayed
            .site
            .text(&key)
            .await
            .is_some_and(|key| !key.is_empty())
    );
    assert_eq!(relayed.site.number(&counted).await, 1);
}

/// Listeners fail at random, PHP is killed, the web server stops in the middle, and several processes run concurrently.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_every_event_ends_done_or_given_up_with_a_reason() {
    const USERS: u64 = 40;
    let relayed = Relayed::new().await;
    let (sidecar, server) = relayed.woken().await;
    relayed.trouble_for_all("random");
    for n in 0..USERS {
        let email = format!("user{n}@example.com");
        let email = [("email", email.as_str())];
        sidecar.client.execute(MEMBERS_HOOK, &email).await;
    }
    drop(server);
    let root = relayed.installation.root().to_owned();
    eventually(async || {
        if relayed.count("state = 'pending'").await == 0 {
            return Ok(());
        }
        hurry(&relayed).await;
        let runs = [root.clone(), root.clone()]
            .map(|root| tokio::task::spawn_blocking(move || php::run_to_death("relay_run", &root)));
        for run in runs {
            run.await.unwrap();
        }
        Err(format!("{:?}", relayed.events("last_error").await))
    })
    .await;
    assert_eq!(relayed.count("1 = 1").await, USERS * 7);
    assert_eq!(
        relayed.count("state = 'dead' AND last_error IS NULL").await,
        0
    );
    assert_eq!(relayed.count("state NOT IN ('done', 'dead')").await, 0);
    // Fired once, plus once for every attempt that failed.
    let fired = relayed.record().len() as u64;
    let attempts = format!("SELECT SUM(attempts) FROM {PREFIX}fcom_sidecar_events");
    let attempts = relayed.site.number(&attempts).await;
    let died = format!("SELECT SUM(interrupted) FROM {PREFIX}fcom_sidecar_events");
    let died = relayed.site.number(&died).await;
    assert!(
        attempts - died <= fired && fired <= attempts,
        "{fired} {attempts} {died}"
    );
    assert!(died > 0, "nothing went wrong");
    let order = format!(
        "SELECT COUNT(*) FROM {PREFIX}fcom_sidecar_events a JOIN {PREFIX}fcom_sidecar_events b \
         ON a.user_id = b.user_id AND a.id < b.id WHERE a.finished_at > b.finished_at"
    );
    assert_eq!(relayed.site.number(&order).await, 0);
}
