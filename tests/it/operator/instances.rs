//! Several instances of one site: `check` names those whose settings differ.

use crate::harness::eventually::until;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

const URL: &str = "FCOM_SIDECAR__SMTP__URL";

fn checked(sidecar: &Sidecar) -> serde_json::Value {
    let (_, said, _) = sidecar.outcome(&["check", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    let findings = report["checks"].as_array().unwrap();
    let finding = findings.iter().find(|one| one["name"] == "instances");
    finding.unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_with_other_settings_are_named() {
    let site = Site::new("71").await;
    let same = [(URL, "smtp://user:one-password@127.0.0.1:1")];
    let other = [
        (URL, "smtp://user:other-password@127.0.0.1:1"),
        ("FCOM_SIDECAR__WORDPRESS__PASSWORD_HASH", "wordpress"),
    ];
    let noted = |count: u64| {
        let site = &site;
        let sql = "SELECT COUNT(*) FROM wp_fcom_sidecar_instances WHERE settings <> ''";
        until("the instances are noted", async move || {
            site.number(sql).await == count
        })
    };
    let one = Sidecar::start_with(&site, &same).await;
    let two = Sidecar::start_with(&site, &same).await;
    noted(2).await;
    let finding = checked(&one);
    assert_eq!(finding["status"], "ok", "{finding}");
    let three = Sidecar::start_with(&site, &other).await;
    noted(3).await;
    let finding = checked(&one);
    assert_eq!(finding["status"], "warning", "{finding}");
    let found = finding["found"].as_str().unwrap();
    for words in [
        "mail",
        "password hashes",
        &format!("process {}", three.process_id()),
    ] {
        assert!(found.contains(words), "{found}");
    }
    assert!(!found.contains("protection"), "{found}");
    assert!(!found.contains("the relay"), "{found}");
    drop(three);
    noted(2).await;
    assert_eq!(checked(&two)["status"], "ok");
    let relayed = [same[0], ("FCOM_SIDECAR__RELAY__ENABLED", "true")];
    let three = Sidecar::start_with(&site, &relayed).await;
    noted(3).await;
    let finding = checked(&one);
    assert_eq!(finding["status"], "warning", "{finding}");
    let found = finding["found"].as_str().unwrap();
    assert!(found.starts_with("settings for the relay: "), "{found}");
    // One of an older release notes nothing about it.
    let older = "UPDATE wp_fcom_sidecar_instances SET settings = SUBSTRING_INDEX(settings, ' ', 3)";
    let older = format!("{older} WHERE name LIKE '%process {}'", three.process_id());
    site.execute(&older).await;
    let finding = checked(&one);
    assert_eq!(finding["status"], "ok", "{finding}");
    drop(three);
    for password in ["one-password", "other-password"] {
        let kept =
            site.column("SELECT CONCAT_WS(' ', name, settings) FROM wp_fcom_sidecar_instances");
        assert!(!kept.await.concat().contains(password));
    }
}
