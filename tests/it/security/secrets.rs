//! The log contains no secrets at any filter level. The harness logs everything and searches for posted secrets at the
//! end of every test; these tests cover the rest.

use serde_json::Value;

use crate::harness::sidecar::Sidecar;
use crate::harness::site::{KNOWN_USER, PLAIN_HOOK, Site};

const KNOWN: &[(&str, &str)] = &[("email", "existing@example.com")];

/// Every other test relies on this.
#[tokio::test]
async fn the_daemons_of_the_tests_say_what_they_only_say_in_detail() {
    let site = Site::new("71").await;
    let impatient = [("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "1")];
    let sidecar = Sidecar::start_with(&site, &impatient).await;
    let blocker = site.lock(KNOWN_USER).await;
    let let_go = async {
        sidecar.says("DEBUG").await;
        blocker.rollback().await.unwrap();
    };
    tokio::join!(sidecar.client.execute(PLAIN_HOOK, KNOWN), let_go);
}

/// The HTML parser logs what it reads; the database driver would quote statements.
#[tokio::test]
async fn no_filter_makes_libraries_quote_what_they_work_on() {
    let filter =
        "trace,html5ever=trace,sqlx=trace,actix_http=trace,lettre=trace,fcom_sidecar=trace";
    let site = Site::new("71").await;
    let settings = [
        ("FCOM_SIDECAR__LOG__FILTER", filter),
        ("FCOM_SIDECAR__LOG__FORMAT", "json"),
    ];
    let sidecar = Sidecar::start_with(&site, &settings).await;
    let address = "ann@private.example";
    sidecar.client.record(&[address.to_owned()]);
    site.execute(&format!(
        "DELETE FROM wp_usermeta WHERE user_id = 2 AND meta_key = 'description'; \
         INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (2, 'description', 'Write to <b>{address}</b>')"
    ))
    .await;
    sidecar.client.execute(PLAIN_HOOK, KNOWN).await;
    let rendered = "SELECT meta FROM wp_fcom_xprofile WHERE user_id = 2";
    let rendered = site.text(rendered).await.unwrap();
    assert!(rendered.contains(address), "{rendered}");
    let log = sidecar.log();
    // Searches the log for the address.
    drop(sidecar);
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let lines: Vec<Value> = lines.collect();
    assert!(!lines.is_empty(), "{log}");
    for line in lines {
        let is_ours = line["target"].as_str().unwrap().starts_with("fcom_sidecar");
        let is_detail = ["DEBUG", "TRACE"].contains(&line["level"].as_str().unwrap());
        assert!(is_ours || !is_detail, "{line}");
    }
}
