//! A secret that several webhooks have would let a call of one run on another.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{OTHER_SECRET, SECRET};
use crate::harness::check_report;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

/// The HMAC of a key is that of the same key with zero bytes behind it.
#[tokio::test]
async fn a_secret_of_two_webhooks_keeps_the_daemon_from_starting() {
    let site = Site::new("71").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secrets");
    let bytes = STANDARD.decode(&SECRET["whsec_".len()..]).unwrap();
    let longer = [&bytes[..], &[0, 0]].concat();
    let padded = format!("whsec_{}", STANDARD.encode(&longer));
    let bare = padded.trim_end_matches('=').to_owned();
    std::fs::write(&file, format!("{OTHER_SECRET}\n{bare}\n")).unwrap();
    let file = file.display().to_string();
    let both = format!("{OTHER_SECRET},{SECRET}");
    for (webhook, option, value) in [
        ("WEBHOOK_ID", "SECRETS", SECRET),
        ("WEBHOOK_ID", "SECRETS", both.as_str()),
        ("WEBHOOK_ID", "SECRETS", padded.as_str()),
        ("WEBHOOK_ID", "SECRETS_FILE", file.as_str()),
        ("WEBHOOK_TITLE", "SECRETS", SECRET),
    ] {
        let name = |option: &str| format!("FCOM_SIDECAR__PROTECTION__COURSE__{option}");
        let webhook = [name(webhook), name(option)];
        let environment = [
            ("FCOM_SIDECAR__PROTECTION__SHOP__WEBHOOK_ID", "3"),
            ("FCOM_SIDECAR__PROTECTION__SHOP__SECRETS", SECRET),
            (webhook[0].as_str(), "4"),
            (webhook[1].as_str(), value),
        ];
        let mut sidecar = Sidecar::unstarted(&site, &environment).await;
        let keys = [SECRET, OTHER_SECRET].map(|secret| secret["whsec_".len()..].to_owned());
        sidecar.client.record(&keys);
        sidecar.spawn();
        assert_eq!(sidecar.ends().await.code(), Some(78), "{}", sidecar.log());
        let log = sidecar.log();
        for said in ["protection.course", "protection.shop", "secret"] {
            assert!(log.contains(said), "{said}: {log}");
        }
    }
}

#[tokio::test]
async fn check_names_a_title_whose_secret_several_webhooks_share() {
    let site = check_report::migrated("71").await;
    let secret = format!("protection.shop.secrets={SECRET}");
    for (webhook, status, found) in [
        ("webhook_id=3", "ok", "1 of 8"),
        ("webhook_title=Hook", "failed", "6 webhooks"),
    ] {
        let webhook = format!("protection.shop.{webhook}");
        let arguments = ["--set", &secret, "--set", &webhook];
        let outcome = check_report::check_with(&site, &site.url(), &arguments).await;
        outcome.assert("protection", status, found);
    }
}
