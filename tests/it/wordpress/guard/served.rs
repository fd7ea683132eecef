//! Whether the daemon serves protections, and what `check` says: that depends on the plugin.

use std::fs;

use serde_json::Value;

use super::super::PREFIX;
use super::super::php::Server as Php;
use super::{Guarded, PROTECTIONS};
use crate::harness::eventually::eventually;
use crate::harness::http;
use crate::harness::sidecar::Sidecar;

#[tokio::test]
async fn a_protection_that_php_does_not_heed_is_not_served() {
    let guarded = Guarded::without_plugin().await;
    let mut sidecar = Sidecar::unstarted_with(&guarded.site, &guarded.sections(PROTECTIONS)).await;
    assert!(sidecar.run(&["migrate"]).success());
    sidecar.spawn();
    assert_eq!(sidecar.ends().await.code(), Some(78), "{}", sidecar.log());
    let log = sidecar.log();
    for said in [
        "protection.course, protection.shop: PHP would execute the webhook for whoever has its key",
        "fcom-sidecar.php is not there",
        "php_may_execute = true",
    ] {
        assert!(log.contains(said), "{said}: {log}");
    }
    // A plugin without the guard.
    let shipped = include_str!("../../../../deploy/mu-plugin/fcom-sidecar.php");
    fs::write(
        guarded.plugin(),
        shipped.replace("const GUARD", "const OTHER"),
    )
    .unwrap();
    sidecar.spawn();
    assert_eq!(sidecar.ends().await.code(), Some(78));
    assert!(sidecar.log().contains("is of a release without it"));
    guarded.install();
    sidecar.spawn();
    sidecar.says("PHP refuses protected webhooks: ").await;
    assert!(sidecar.terminate().unwrap().success());
}

/// PHP may run on another machine, whose files the daemon does not see.
#[tokio::test]
async fn the_plugin_says_in_the_database_that_it_works() {
    let guarded = Guarded::new().await;
    let (url, version) = (guarded.site.url(), guarded.site.wordpress);
    let sections = format!(
        "[wordpress]\ntable_prefix = \"{PREFIX}\"\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n{PROTECTIONS}"
    );
    let mut sidecar = Sidecar::unstarted_with(&guarded.site, &sections).await;
    assert!(sidecar.run(&["migrate"]).success());
    sidecar.spawn();
    assert_eq!(sidecar.ends().await.code(), Some(78), "{}", sidecar.log());
    let never = "the must-use plugin has never said that it works";
    assert!(sidecar.log().contains(never), "{}", sidecar.log());

    let server = Php::start(guarded.root()).await;
    // Pages of visitors cost nothing more.
    http::request(server.address, "GET", "/portal/", &[], b"")
        .await
        .unwrap();
    assert_eq!(guarded.subjects("subject LIKE 'guard %'").await, [""; 0]);
    http::request(server.address, "GET", "/wp-cron.php", &[], b"")
        .await
        .unwrap();
    assert_eq!(
        guarded.subjects("subject LIKE 'guard %'").await,
        ["guard 1"]
    );
    sidecar.spawn();
    let said =
        "PHP refuses protected webhooks: the must-use plugin said that it works 0 minutes ago";
    sidecar.says(said).await;
    assert!(sidecar.terminate().unwrap().success());

    let long_ago = format!(
        "UPDATE {PREFIX}fcom_sidecar_guard SET seen_at = seen_at - INTERVAL 8 DAY WHERE subject = 'guard 1'"
    );
    guarded.site.execute(&long_ago).await;
    sidecar.spawn();
    assert_eq!(sidecar.ends().await.code(), Some(78), "{}", sidecar.log());
    let long_ago = "last said that it works 8 days ago";
    assert!(sidecar.log().contains(long_ago), "{}", sidecar.log());
}

#[tokio::test]
async fn the_table_follows_the_configuration_and_other_instances() {
    let guarded = Guarded::without_plugin().await;
    let mut sidecar = guarded.sidecar("").await;
    let shop = PROTECTIONS.split("[protection.course]").next().unwrap();
    // Not without the plugin.
    sidecar.append_configuration(shop);
    sidecar.hang_up();
    sidecar
        .says("configuration not reloaded, the one before stays: the configuration has a problem")
        .await;
    guarded.install();
    sidecar.hang_up();
    sidecar
        .says("configuration reloaded; changed: protection.shop")
        .await;
    let named = async |wanted: &[&str]| {
        eventually(async || {
            let named = guarded.subjects("subject NOT LIKE 'guard %'").await;
            (named == wanted)
                .then_some(())
                .ok_or_else(|| format!("{named:?} {wanted:?}"))
        })
        .await;
    };
    named(&["webhook 3"]).await;
    // Another instance's stays as long as that confirms it; what none confirms goes.
    let others = format!(
        "INSERT INTO {PREFIX}fcom_sidecar_guard VALUES ('webhook 7', UTC_TIMESTAMP() + INTERVAL 1 HOUR),
            ('webhook 8', UTC_TIMESTAMP() - INTERVAL 1 HOUR), ('guard 1', UTC_TIMESTAMP() - INTERVAL 1 HOUR)"
    );
    guarded.site.execute(&others).await;
    sidecar.append_configuration(
        "[protection.more]\nwebhook_id = 5\nallowed_networks = [\"192.0.2.1\"]\n",
    );
    sidecar.hang_up();
    named(&["webhook 3", "webhook 5", "webhook 7"]).await;
    assert_eq!(guarded.subjects("subject = 'guard 1'").await.len(), 1);
    // Deleted by somebody: it comes back.
    sidecar.terminate();
    guarded
        .site
        .execute(&format!("DELETE FROM {PREFIX}fcom_sidecar_guard"))
        .await;
    sidecar.restart().await;
    named(&["webhook 3", "webhook 5"]).await;
}

/// What `check` reports.
fn check(sidecar: &Sidecar) -> String {
    let before = sidecar.log().len();
    sidecar.run(&["check", "--json"]);
    let report: Value = serde_json::from_str(&sidecar.log()[before..]).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["name"] == "guard")
        .unwrap();
    format!(
        "{} {}",
        check["status"].as_str().unwrap(),
        check["found"].as_str().unwrap()
    )
}

#[tokio::test]
async fn check_asks_the_site_whether_it_refuses() {
    let guarded = Guarded::new().await;
    let server = Php::start(guarded.root()).await;
    let home = format!(
        "UPDATE {PREFIX}options SET option_value = 'http://{}' WHERE option_name = 'home'",
        server.address
    );
    guarded.site.execute(&home).await;
    let mut sidecar = guarded.sidecar(PROTECTIONS).await;
    // It writes to the same log.
    assert!(sidecar.terminate().unwrap().success());
    assert_eq!(
        check(&sidecar),
        "ok PHP refuses protected webhooks: the site's answer says so"
    );
    // Whatever the plugin said a minute ago.
    fs::remove_file(guarded.plugin()).unwrap();
    let open = "PHP would execute the webhook for whoever has its key";
    let answers = "FluentCommunity answers where the must-use plugin should";
    assert_eq!(check(&sidecar), format!("failed {open}: {answers}"));
    drop(server);
    assert!(
        check(&sidecar).starts_with("ok PHP refuses protected webhooks: the must-use plugin said")
    );
    sidecar.append_configuration(
        "[protection.open]\nwebhook_id = 5\nallowed_networks = [\"192.0.2.1\"]\nphp_may_execute = true\n",
    );
    assert_eq!(
        check(&sidecar),
        "warning PHP executes these webhooks for whoever has their key: protection.open (php_may_execute)"
    );
    sidecar.append_configuration(
        "[source.shop]\nwebhook_id = 6\nbody = \"json\"\nphp_may_execute = true\n",
    );
    assert_eq!(
        check(&sidecar),
        "warning PHP executes these webhooks for whoever has their key: protection.open, source.shop (php_may_execute)"
    );
    let forget = format!("DELETE FROM {PREFIX}fcom_sidecar_guard WHERE subject = 'guard 1'");
    guarded.site.execute(&forget).await;
    let report = check(&sidecar);
    assert!(
        report.starts_with(&format!("failed {open}: ")) && report.contains("is not there"),
        "{report}"
    );
}
