//! A signed call that was refused is carried out later only if its signature was right.

use super::{FORM, Recorded, SECRET, assert_is, assert_replayed, runs};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

const BODY: &str = "email=existing%40example.com";

/// The exit status of the retry of everything that is kept, and its answer.
fn retry_all(sidecar: &Sidecar) -> (i32, String) {
    let (code, said, complained) = sidecar.outcome(&["refused", "retry", "--all"]);
    (code, said + &complained)
}

#[tokio::test]
async fn a_call_of_another_clock_is_carried_out_once_and_a_forged_one_never() {
    let site = Site::new("71").await;
    let (url, version) = (site.url(), site.wordpress);
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("refused.key");
    let sections = format!(
        "[wordpress]\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n\
         [refused]\nkeep_fields_hours = 24\nkey_file = \"{}\"\n\
         [protection.shop]\nwebhook_id = 3\nphp_may_execute = true\nsecrets = [\"{SECRET}\"]",
        key.display()
    );
    let sidecar = Sidecar::start_configured(&site, &sections, &[]).await;
    sidecar
        .client
        .record(&[SECRET["whsec_".len()..].to_owned()]);
    let now = site.now().await;
    let recorded = async |count: u64| {
        let missing = format!("SELECT COUNT(*) < {count} FROM wp_fcom_sidecar_refused");
        site.goes(&missing).await;
    };
    let kept = "SELECT COUNT(*) FROM wp_fcom_sidecar_kept WHERE sealed IS NOT NULL";

    // Forged, or not signed at all: refused as such, or because the record of the webhook cannot be read.
    let call = |id: &str, time| Recorded::signed(SECRET, id, time, FORM, BODY);
    let forged = call("msg_1", now).but("webhook-signature", "v1,AAAA");
    assert_is(&forged.send(&sidecar).await, 401, "wrong");
    recorded(1).await;
    assert_eq!(site.number(kept).await, 0);
    let spoil = |value: &str| {
        format!("UPDATE wp_fcom_meta SET value = {value} WHERE meta_key = '{PLAIN_HOOK}'")
    };
    site.execute(&spoil("CONCAT('x', value)")).await;
    assert_is(&forged.send(&sidecar).await, 423, "not readable");
    site.execute(&spoil("SUBSTRING(value, 2)")).await;
    recorded(2).await;
    let (code, said) = retry_all(&sidecar);
    assert_eq!(code, 1);
    assert!(
        said.contains("did not meet the webhook's protection"),
        "{said}"
    );
    assert_eq!(runs(&site).await, 0);
    site.execute("DELETE FROM wp_fcom_sidecar_kept").await;

    // Signed two hours ago, says the sender's clock.
    let late = call("msg_2", now - 7200);
    assert_is(&late.send(&sidecar).await, 401, "5 minutes off");
    recorded(3).await;
    let (code, said) = retry_all(&sidecar);
    assert!(code == 0 && said.contains("found user 2 as run"), "{said}");
    assert_eq!(runs(&site).await, 1);
    let again = call("msg_2", now).send(&sidecar).await;
    assert_replayed(&again, &again);
    // What was executed is not executed again because somebody sends it later.
    let executed = call("msg_3", now);
    assert_is(&executed.send(&sidecar).await, 200, "user_id");
    let replayed = call("msg_3", now - 600);
    assert_is(&replayed.send(&sidecar).await, 401, "5 minutes off");
    recorded(4).await;
    let (code, said) = retry_all(&sidecar);
    assert!(code == 0 && said.contains("executed before"), "{said}");
    assert_eq!(runs(&site).await, 2);
    // Too long ago to know whether it was.
    let old = call("msg_3", now - 90_000);
    assert_is(&old.send(&sidecar).await, 401, "5 minutes off");
    recorded(5).await;
    let (code, said) = retry_all(&sidecar);
    assert!(code == 1 && said.contains("idempotency_hours"), "{said}");
    assert_eq!(runs(&site).await, 2);
}
