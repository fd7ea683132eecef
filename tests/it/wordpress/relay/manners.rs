//! Misbehaving listeners: what they leave behind harms neither the record nor the hooks of later events.

use std::fs;

use serde_json::{Value, json};

use super::trouble::{ANN, BOB, hurry};
use super::{PACE, PREFIX, Relayed, SECRET, WAKE, php, signed};
use crate::harness::eventually::until;
use crate::harness::http;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK};

#[tokio::test]
async fn a_mess_is_cleared_up_before_the_next_hook() {
    for (how, ran, error) in [
        ("mess", json!({"done": 12, "failed": 0, "more": false}), ""),
        (
            "mess_throw",
            json!({"done": 8, "failed": 1, "more": false}),
            "DomainException: after a mess of …@example.com in wp-content/mu-plugins/recorder.php:",
        ),
        ("mess_exit", Value::Null, "a listener ended PHP"),
        ("memory", Value::Null, "Allowed memory size of"),
    ] {
        let relayed = Relayed::new().await;
        let sidecar = relayed.sidecar(&[]).await;
        let ann = sidecar.client.execute(SPACES_HOOK, ANN).await;
        sidecar.client.execute(SPACES_HOOK, BOB).await;
        relayed.trouble(ann, "user_register", how);
        let server = relayed.serve().await;
        let headers = signed(SECRET, relayed.site.now().await, "wake");
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let answer = http::request(server.address, "POST", WAKE, &headers, b"").await;
        let answer = answer.unwrap();
        let text = answer.text();
        assert_eq!(answer.status, 200, "{how}: {text}");
        for name in ["Set-Cookie", "Location"] {
            assert_eq!(answer.header(name), None, "{how}");
        }
        if ran.is_null() {
            // The answer asks the daemon to wake the plugin again at once, and the failure that it reports is recorded.
            let answer = answer.json();
            assert_eq!(
                (&answer["failed"], &answer["more"]),
                (&json!(1), &json!(true))
            );
            relayed.wake(&server).await;
        } else {
            assert_eq!(answer.json(), ran, "{how}: {text}");
        }
        let words = format!(
            "SELECT COALESCE(GROUP_CONCAT(last_error), '') FROM {PREFIX}fcom_sidecar_events"
        );
        let words = relayed.site.text(&words).await.unwrap();
        assert!(words.starts_with(error), "{how}: {words}");
        relayed.end_trouble();
        hurry(&relayed).await;
        relayed.wake(&server).await;
        assert_eq!(relayed.count("state <> 'done'").await, 0, "{how}");
        // No more often than necessary.
        let fired = relayed.record().len();
        assert_eq!(fired, if how == "mess" { 12 } else { 13 }, "{how}");
        assert_eq!(relayed.ground().len(), 1, "{how}: {:?}", relayed.ground());
        assert_eq!(relayed.ground()[0]["transaction"], "0");
        // As at the end of PHP, uncommitted changes are rolled back.
        let description =
            format!("SELECT COUNT(*) FROM {PREFIX}options WHERE option_value = 'of a listener'");
        assert_eq!(relayed.site.number(&description).await, 0, "{how}");
    }
}

/// The daemon may reach WordPress without TLS, and WP-Cron may run from the command line.
#[tokio::test]
async fn listeners_write_links_with_the_scheme_of_the_sites_address() {
    for scheme in ["https", "http"] {
        let relayed = Relayed::new().await;
        let sidecar = relayed.sidecar(&[]).await;
        let server = relayed.serve().await;
        // The other address is rarely adapted when a proxy comes to speak TLS.
        relayed
            .site
            .execute(&format!(
                "UPDATE {PREFIX}options SET option_value = '{scheme}://community.example.com' WHERE option_name = 'home'; \
                 UPDATE {PREFIX}options SET option_value = 'http://community.example.com' WHERE option_name = 'siteurl'"
            ))
            .await;
        sidecar.client.execute(SPACES_HOOK, ANN).await;
        relayed.wake(&server).await;
        sidecar.client.execute(SPACES_HOOK, BOB).await;
        relayed.run().await;
        let links: Vec<Value> = relayed
            .ground()
            .iter()
            .map(|ground| ground["login"].clone())
            .collect();
        let expected = format!("{scheme}://community.example.com/wp-login.php");
        assert!(
            !links.is_empty() && links.iter().all(|link| *link == expected),
            "{links:?}"
        );
    }
}

/// Anyone may request WP-Cron, and PHP's built-in server, like Apache's module, answers after the listeners have run.
#[tokio::test]
async fn whoever_makes_wp_cron_run_learns_nothing() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    let server = php::Server::start(relayed.installation.root()).await;
    sidecar.client.execute(SPACES_HOOK, ANN).await;
    relayed.trouble_for_all("mess");
    until("WP-Cron fires nothing", async || {
        let answer = http::request(server.address, "GET", "/wp-cron.php", &[], b"").await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
        for name in ["Set-Cookie", "Location"] {
            assert_eq!(answer.header(name), None);
        }
        relayed.count("state = 'pending'").await == 0
    })
    .await;
    assert_eq!(relayed.record().len(), 6);
}

#[tokio::test]
async fn locked_tables_keep_nothing_from_the_record() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    let ann = sidecar.client.execute(SPACES_HOOK, ANN).await;
    relayed.trouble(ann, "user_register", "lock_tables");
    let ran = relayed.run().await;
    assert_eq!(ran, json!({"done": 6, "failed": 0, "more": false}));
    assert_eq!(relayed.record().len(), 6);
}

/// As every node of a cluster may be configured.
#[tokio::test]
async fn a_deadlock_at_the_record_does_not_fire_the_hook_again() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    sidecar.client.execute(SPACES_HOOK, ANN).await;
    relayed
        .site
        .execute(&format!(
            "CREATE TRIGGER once BEFORE UPDATE ON {PREFIX}fcom_sidecar_events FOR EACH ROW \
             IF NEW.state = 'done' AND @tried IS NULL THEN \
                 SET @tried = 1; SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213; END IF"
        ))
        .await;
    let ran = relayed.run().await;
    assert_eq!(ran, json!({"done": 6, "failed": 0, "more": false}));
    assert_eq!(relayed.record().len(), 6);
    assert_eq!(relayed.count("state = 'done' AND attempts = 1").await, 6);
}

/// The lease has expired, and another process has the event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_too_late_records_nothing() {
    let pace = format!("{PACE}define( 'FCOM_SIDECAR_LEASE', 3 );\n");
    let relayed = Relayed::with(&pace).await;
    let sidecar = relayed.sidecar(&[]).await;
    let ann = sidecar.client.execute(PLAIN_HOOK, ANN).await;
    relayed.trouble(ann, "user_register", "too_slow");
    let late = relayed.run();
    let other = async {
        let due = "kind = 'user_register' AND lease IS NOT NULL AND due_at <= UTC_TIMESTAMP(3)";
        let is_due = async || relayed.count(due).await > 0;
        until("the lease does not run out", is_due).await;
        relayed.end_trouble();
        relayed.run().await
    };
    let (late, other) = tokio::join!(late, other);
    assert_eq!(other, json!({"done": 1, "failed": 0, "more": false}));
    assert_eq!(late, json!({"done": 2, "failed": 0, "more": false}));
    let once = "kind = 'user_register' AND state = 'done' AND attempts = 2 AND interrupted = 1";
    assert_eq!(relayed.count(once).await, 1);
    assert_eq!(relayed.record().len(), 4);
}

#[tokio::test]
async fn a_run_ends_before_its_listeners_have_taken_the_memory() {
    let relayed = Relayed::new().await;
    let sidecar = relayed.sidecar(&[]).await;
    for n in 0..20 {
        let email = format!("user{n}@example.com");
        let email = [("email", email.as_str())];
        sidecar.client.execute(SPACES_HOOK, &email).await;
    }
    relayed.trouble_for_all("leak");
    // PHP's default limit of 128 megabytes.
    let server = relayed.serve().await;
    let ran = relayed.wake(&server).await;
    assert_eq!((&ran["failed"], &ran["more"]), (&json!(0), &json!(true)));
    let done = ran["done"].as_u64().unwrap();
    assert!((15..=100).contains(&done), "{done}");
    while relayed.wake(&server).await["more"] == true {}
    assert_eq!(relayed.count("state = 'done' AND attempts = 1").await, 120);
}

/// A wall around the site, as on hardened and on closed sites.
#[tokio::test]
async fn the_plugin_is_woken_where_the_rest_api_is_closed() {
    let relayed = Relayed::new().await;
    let closed = "<?php
        add_filter( 'rest_authentication_errors', fn() => new WP_Error( 'closed', 'Closed.', array( 'status' => 401 ) ), 99 );
        add_filter( 'rest_endpoints', '__return_empty_array' );
        add_action( 'rest_api_init', fn() => wp_die( 'closed' ), 1 );
        add_action( 'parse_request', fn() => auth_redirect(), 1 );
        add_action( 'template_redirect', fn() => auth_redirect(), 1 );";
    fs::write(relayed.plugins().join("closed.php"), closed).unwrap();
    let (sidecar, server) = relayed.woken().await;
    let answer = http::request(
        server.address,
        "POST",
        "/?rest_route=/wp/v2/users",
        &[],
        b"",
    )
    .await;
    assert_ne!(answer.unwrap().status, 200);
    sidecar.client.execute(SPACES_HOOK, ANN).await;
    relayed.wait_until_none("state = 'pending'").await;
    assert_eq!(relayed.record().len(), 6);
}

/// As `HyperDB` and similar plugins do, or a proxy in front of the database. The replica here has no users.
#[tokio::test]
async fn nobody_is_taken_for_deleted_because_a_replica_lags() {
    for knows_masters in [true, false] {
        let relayed = Relayed::new().await;
        let method = if knows_masters {
            "public function send_reads_to_masters() { $this->lags = false; }"
        } else {
            ""
        };
        let drop_in = format!(
            "<?php
            class Replicated extends wpdb {{
                public $lags = true;
                {method}
                public function query( $query ) {{
                    $is_read = preg_match( '/^\\s*SELECT .* FROM (\\S+_users|\\S+fcom_space_user) /', $query );
                    if ( $this->lags && $is_read && ! strpos( $query, 'FOR UPDATE' ) ) {{
                        $query = str_replace( ' WHERE ', ' WHERE 0 AND ', $query );
                    }}
                    return parent::query( $query );
                }}
            }}
            $wpdb = new Replicated( DB_USER, DB_PASSWORD, DB_NAME, DB_HOST );"
        );
        let sidecar = relayed.sidecar(&[]).await;
        sidecar.client.execute(SPACES_HOOK, ANN).await;
        let file = relayed.installation.root().join("wp-content/db.php");
        fs::write(&file, drop_in).unwrap();
        let ran = relayed.run().await;
        if !knows_masters {
            assert_eq!((&ran["done"], &ran["failed"]), (&json!(0), &json!(1)));
            let waits = "state = 'pending' AND last_error LIKE '%does not have the row yet%'";
            assert_eq!(relayed.count(waits).await, 1);
            fs::remove_file(&file).unwrap();
            hurry(&relayed).await;
            relayed.run().await;
        }
        assert_eq!(relayed.count("state = 'done'").await, 6);
    }
}
