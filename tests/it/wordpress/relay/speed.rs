//! How many hooks one PHP process fires for listeners that do nothing: `make relay-run` measures.

use std::fs;
use std::time::Instant;

use serde_json::json;

use super::{PACE, PREFIX, Relayed, SECRET, WAKE, request, signed};
use crate::harness::tables::numbers;

/// Requests, and runs of a second, whose medians are compared.
const TIMES: usize = 11;
/// At least so many hooks are fired in the time that one request per hook would take for one.
const TIMES_AS_FAST: f64 = 5.0;

const IDLE: &str = "<?php
foreach ( array( 'add_user_role', 'set_user_role', 'user_register', 'fluent_community/space/joined' ) as $hook ) {
    add_action( $hook, static function () {}, 10, 4 );
}";

/// A backlog of 100,000: seven hooks each of as many users as that makes.
fn backlog() -> String {
    let kinds = [
        ("add_user_role", "NULL"),
        ("set_user_role", "NULL"),
        ("user_register", "NULL"),
        ("space_joined", "1"),
        ("space_joined", "2"),
        ("space_joined", "3"),
        ("space_joined", "4"),
    ];
    let [many, two] =
        [(7143, "many"), (2, "two")].map(|(last, name)| numbers(last).replace("numbers", name));
    let users =
        format!("FROM (SELECT 1000 + 2 * many.seq + two.seq AS id FROM {many}, {two}) users");
    let mut statements = vec![
        format!(
            "INSERT INTO {PREFIX}users (ID, user_login, user_nicename, user_email, display_name)
                SELECT id, CONCAT('u', id), CONCAT('u', id), CONCAT('u', id, '@example.com'), 'U' {users}"
        ),
        format!(
            "INSERT INTO {PREFIX}usermeta (user_id, meta_key, meta_value)
                SELECT id, '{PREFIX}capabilities', 'a:1:{{s:10:\"subscriber\";b:1;}}' {users}"
        ),
        format!(
            "INSERT INTO {PREFIX}fcom_space_user (space_id, user_id, status, role)
                SELECT space, id, 'active', 'member' {users},
                    (SELECT 1 AS space UNION SELECT 2 UNION SELECT 3 UNION SELECT 4) spaces"
        ),
    ];
    for (kind, space) in kinds {
        statements.push(format!(
            "INSERT INTO {PREFIX}fcom_sidecar_events (user_id, kind, space_id, is_new, role, origin, due_at, created_at)
                SELECT id, '{kind}', {space}, {space} IS NOT NULL, 'member', 'by_admin', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3)
                {users} ORDER BY id"
        ));
    }
    statements.push(format!("ANALYZE TABLE {PREFIX}fcom_sidecar_events"));
    statements.join(";\n")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One request per hook would boot WordPress for each, and then do the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: make relay-run"]
async fn hooks_are_fired_several_times_as_fast_as_one_request_per_hook() {
    let relayed = Relayed::with(PACE).await;
    let _sidecar = relayed.sidecar(&[]).await;
    fs::remove_file(relayed.plugins().join("recorder.php")).unwrap();
    fs::write(relayed.plugins().join("idle.php"), IDLE).unwrap();
    let server = relayed.serve().await;
    relayed.site.execute(&backlog()).await;
    let (status, one_second) = (WAKE.replace("wake", "status"), format!("{WAKE}&seconds=1"));
    let (mut boots, mut hooks) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let began = Instant::now();
        let headers = signed(SECRET, relayed.site.now().await, "status");
        let (code, answer) = request(&server, "POST", &status, &headers).await;
        assert_eq!(code, 200, "{answer}");
        let boot = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let headers = signed(SECRET, relayed.site.now().await, "wake");
        let (code, ran) = request(&server, "POST", &one_second, &headers).await;
        assert_eq!(
            (code, &ran["failed"], &ran["more"]),
            (200, &json!(0), &json!(true)),
            "{ran}"
        );
        boots.push(boot);
        hooks.push((began.elapsed().as_secs_f64() - boot) / ran["done"].as_f64().unwrap());
    }
    let (boot, hook) = (median(boots), median(hooks));
    let ratio = (boot + hook) / hook;
    eprintln!(
        "{:.0} hooks a second, {:.1} ms to start WordPress: {ratio:.1} times as fast as one request per hook",
        1.0 / hook,
        boot * 1e3
    );
    assert!(ratio >= TIMES_AS_FAST, "{ratio:.1}");
}
