//! Calls that were refused in an outage wait for its end, whatever it is, and however they are read.

use std::sync::Arc;
use std::time::Duration;

use fcom_sidecar::sample::server::PrivateServer;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{ConnectOptions, Connection, Executor};

use super::retry::{KNOWN, KeyFile, NEW, RUNS, SEALED, recorded, retry};
use crate::harness::agreement::not_ready;
use crate::harness::eventually::time_passes;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site, server_options, target};

/// Whether the command says that all these calls are executed.
fn assert_all_executed(told: &(i32, Value), calls: usize) {
    let (code, told) = told;
    let all = told.as_array().unwrap();
    assert_eq!((*code, all.len()), (0, calls), "{told}");
    assert!(all.iter().all(|one| one["status"] == 200), "{told}");
}

/// A failover and a backup: the server answers, but takes nothing for longer than a statement waits.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_calls_wait_for_whatever_keeps_the_database_from_taking_them() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server, "71").await;
    site.make_the_account_an_ordinary_one().await;
    let key = KeyFile::new();
    let lock_wait = ("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "1");
    let mut sidecar = key.start(&site, &[lock_wait]).await;

    site.execute("SET GLOBAL read_only = 1").await;
    not_ready(&sidecar, "read-only", Some("the server takes no writes")).await;
    // As many as a webhook may have at once and, later, some of what it may have by then.
    for round in 0..7 {
        if round == 6 {
            time_passes(Duration::from_secs(12)).await;
        }
        let calls = (0..100).map(|_| async {
            let target = target(SPACES_HOOK);
            let response = sidecar.client.post(&target, "text/plain", b"x").await;
            assert_eq!(response.status, 415);
        });
        join_all(calls).await;
    }
    let kept = sidecar.client.call(SPACES_HOOK, NEW).await;
    assert_eq!(kept.status, 503, "{}", kept.text());
    sidecar.says("refused calls ").await;
    site.execute("SET GLOBAL read_only = 0").await;
    sidecar.client.readiness_becomes(200).await;
    let id = recorded(&site, &kept).await.to_string();
    assert_all_executed(&retry(&sidecar, &[&id]), 1);
    let of_sender = "SELECT COUNT(*) < 700 FROM wp_fcom_sidecar_refused WHERE status = 415";
    site.goes(of_sender).await;
    let lost = "SELECT COUNT(*) FROM wp_fcom_sidecar_refused WHERE outcome = 'not_kept'";
    assert_eq!(site.number(lost).await, 0);

    // One of those that wait cannot be stored.
    site.execute("DELETE FROM wp_fcom_sidecar_kept").await;
    site.execute("ALTER TABLE wp_fcom_sidecar_kept MODIFY sealed varbinary(1000) NULL")
        .await;
    let options = site.server.connect_options(Some(&site.database));
    let mut backup = options.connect().await.unwrap();
    backup.execute("FLUSH TABLES WITH READ LOCK").await.unwrap();
    sidecar.client.readiness_becomes(503).await;
    let long = "n".repeat(2000);
    let long = [NEW[0], ("first_name", long.as_str())];
    let call = |fields| sidecar.client.call(PLAIN_HOOK, fields);
    let calls = join_all([KNOWN, &long, NEW].map(call)).await;
    for response in &calls {
        assert_eq!(response.status, 503, "{}", response.text());
    }
    sidecar.says("Lock wait timeout").await;
    backup.execute("UNLOCK TABLES").await.unwrap();
    backup.close().await.unwrap();
    sidecar.client.readiness_becomes(200).await;
    recorded(&site, &calls[0]).await;
    recorded(&site, &calls[2]).await;
    let request = calls[1].header("x-request-id").unwrap();
    let long =
        format!("SELECT COUNT(*) FROM wp_fcom_sidecar_refused WHERE request_id = '{request}'");
    assert_eq!(site.number(&long).await, 0);
    assert_all_executed(&retry(&sidecar, &["--all"]), 2);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;

    // What waits when the process ends is lost, and said to be.
    site.execute("SET GLOBAL read_only = 1").await;
    sidecar.client.readiness_becomes(503).await;
    let response = sidecar.client.call(PLAIN_HOOK, NEW).await;
    assert_eq!(response.status, 503, "{}", response.text());
    assert!(sidecar.terminate().is_some_and(|status| status.success()));
    sidecar
        .says("1 refused calls were not recorded before the end, 1 of them with their fields")
        .await;
    assert_eq!(site.number(SEALED).await, 0);
}

/// Which webhook a call is for decides how it is read, and the database that would tell is away.
#[tokio::test]
async fn calls_are_kept_beside_and_of_webhooks_with_a_source() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    let key = KeyFile::new();
    let id_of = async |key: &str| {
        let id = format!("SELECT id FROM wp_fcom_meta WHERE meta_key = '{key}'");
        site.number(&id).await
    };
    let (url, version, path) = (site.url(), site.wordpress, key.path());
    let sections = format!("[wordpress]\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n");
    let mut sidecar = Sidecar::start_configured(&site, &sections, &[]).await;
    // What they are recognised by is known after a reload as after a start.
    site.execute("SET GLOBAL log_output = 'TABLE', GLOBAL general_log = 1")
        .await;
    sidecar.append_configuration(&format!(
        "[refused]\nkeep_fields_hours = 24\nkey_file = \"{}\"\n\
         [source.called]\nwebhook_id = {}\nbody = \"json\"\nfields.email = \"customer.mail\"\n\
         [source.not_called_yet]\nwebhook_id = {}\nbody = \"json\"\nfields.email = \"customer.mail\"\n",
        path.display(),
        id_of(PLAIN_HOOK).await,
        id_of(SPACES_HOOK).await,
    ));
    sidecar.hang_up();
    let learnt = "SELECT COUNT(*) FROM mysql.general_log WHERE argument LIKE '%AS is_hash%' \
        AND argument NOT LIKE '%general_log%'";
    site.comes(learnt).await;
    let send = async |hook: &str, name: &str| {
        let body = json!({"customer": {"mail": format!("{name}@example.com")}}).to_string();
        let client = &sidecar.client;
        client.record(&[format!("{name}@example.com")]);
        client
            .post(&target(hook), "application/json", body.as_bytes())
            .await
    };
    assert_eq!(send(PLAIN_HOOK, "before").await.status, 200);
    server.kill();
    let away = [
        send(PLAIN_HOOK, "called").await,
        send(SPACES_HOOK, "new").await,
        sidecar.client.call(MEMBERS_HOOK, KNOWN).await,
    ];
    // Nobody learns which keys are good.
    let guess = send(&"5".repeat(32), "guess").await;
    for response in away.iter().chain([&guess]) {
        assert_eq!(response.status, 503, "{}", response.text());
    }
    server.restart().await.unwrap();
    sidecar.client.readiness_becomes(200).await;
    for response in &away {
        recorded(&site, response).await;
    }
    assert_all_executed(&retry(&sidecar, &["--all"]), 3);
    assert_eq!(site.number(RUNS).await, 4);
    let members = "SELECT COUNT(*) FROM wp_users WHERE user_email IN ('called@example.com', 'new@example.com')";
    assert_eq!(site.number(members).await, 2);
}

/// What has no refused call may be another instance's, which is about to record the call.
#[tokio::test]
async fn housekeeping_leaves_alone_what_is_being_kept_and_nothing_for_ever() {
    let site = Site::new("71").await;
    let key = KeyFile::new();
    let mut sidecar = key.start(&site, &[]).await;
    for insert in [
        "refused (id, created_at, webhook_id, outcome, status) VALUES (6, UTC_TIMESTAMP(), 3, 'busy', 503)",
        "kept (refused_id, webhook_id, created_at, key_id, nonce, sealed) \
         VALUES (5, 3, UTC_TIMESTAMP(), 'key', 'nonce', 'sealed')",
        "kept (refused_id, webhook_id, created_at, run_id) VALUES (1, 3, UTC_TIMESTAMP(), 7), (7, 3, UTC_TIMESTAMP(), 8)",
    ] {
        site.execute(&format!("INSERT INTO wp_fcom_sidecar_{insert}"))
            .await;
    }
    sidecar.restart().await;
    site.goes("SELECT COUNT(*) FROM wp_fcom_sidecar_kept WHERE refused_id = 1")
        .await;
    assert_eq!(site.number(SEALED).await, 1);

    // Not even where no refused call is left.
    site.execute("DELETE FROM wp_fcom_sidecar_refused").await;
    site.execute("UPDATE wp_fcom_sidecar_kept SET created_at = created_at - INTERVAL 25 HOUR")
        .await;
    sidecar.restart().await;
    site.goes("SELECT COUNT(*) FROM wp_fcom_sidecar_kept").await;
}
