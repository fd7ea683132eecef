//! Refused calls whose reason has gone are carried out, each once, from fields that only the key's holder can read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use fcom_sidecar::sample::server::PrivateServer;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::FORM;
use crate::harness::eventually::{eventually, until};
use crate::harness::http::{self, Response};
use crate::harness::invariants;
use crate::harness::management::TOKEN;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{KNOWN_USER, PLAIN_HOOK, Site, server_options, target};
use crate::harness::snapshot::Snapshot;

const KEEP: &str = "FCOM_SIDECAR__REFUSED__KEEP_FIELDS_HOURS";
pub(super) const NEW: &[(&str, &str)] = &[
    ("email", "annabella@example.com"),
    ("first_name", "Annabella"),
    ("user_password", "Geheimnis7"),
];
pub(super) const KNOWN: &[(&str, &str)] = &[("email", "existing@example.com")];
pub(super) const RUNS: &str = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs";
pub(super) const SEALED: &str =
    "SELECT COUNT(*) FROM wp_fcom_sidecar_kept WHERE sealed IS NOT NULL";

/// Where a daemon, or several, have their key.
pub(super) struct KeyFile(TempDir);

impl KeyFile {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("refused.key")
    }

    /// A daemon that keeps fields.
    pub(super) async fn start(&self, site: &Site, more: &[(&str, &str)]) -> Sidecar {
        let path = self.path().display().to_string();
        let environment = [
            ("FCOM_SIDECAR__ADMIN__TOKEN", TOKEN),
            ("FCOM_SIDECAR__REFUSED__KEY_FILE", &path),
            (KEEP, "24"),
        ];
        let sidecar = Sidecar::start_with(site, &[&environment[..], more].concat()).await;
        let secrets = [TOKEN, "Annabella", "Geheimnis7"];
        sidecar.client.record(&secrets.map(ToOwned::to_owned));
        sidecar
    }
}

/// The record of the webhook cannot be read, until [`mend`].
async fn corrupt(site: &Site) {
    let sql = format!(
        "UPDATE wp_fcom_meta SET value = CONCAT('x', value) WHERE meta_key = '{PLAIN_HOOK}'"
    );
    site.execute(&sql).await;
}

async fn mend(site: &Site) {
    let sql = format!(
        "UPDATE wp_fcom_meta SET value = SUBSTRING(value, 2) WHERE meta_key = '{PLAIN_HOOK}'"
    );
    site.execute(&sql).await;
}

/// The number of the refused call that was answered with this, once it is recorded.
pub(super) async fn recorded(site: &Site, response: &Response) -> u64 {
    let request = response.header("x-request-id").unwrap();
    let id = format!("SELECT id FROM wp_fcom_sidecar_refused WHERE request_id = '{request}'");
    eventually(async || site.text(&id).await.ok_or("not recorded"))
        .await
        .parse()
        .unwrap()
}

/// A call that is refused because the webhook cannot be read; it can be by then.
async fn refused(site: &Site, sidecar: &Sidecar, fields: &[(&str, &str)]) -> u64 {
    corrupt(site).await;
    let response = sidecar.client.call(PLAIN_HOOK, fields).await;
    assert_eq!(response.status, 423, "{}", response.text());
    mend(site).await;
    recorded(site, &response).await
}

/// The command's exit status, and its answer or what it complained.
pub(super) fn retry(sidecar: &Sidecar, arguments: &[&str]) -> (i32, Value) {
    let arguments = [&["refused", "retry", "--json"], arguments].concat();
    let (code, said, complained) = sidecar.outcome(&arguments);
    (
        code,
        serde_json::from_str(&said).unwrap_or(complained.into()),
    )
}

async fn post(sidecar: &Sidecar, path: &str) -> (u16, Value) {
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("Authorization", authorization.as_str())];
    let answer = http::request(sidecar.client.admin, "POST", path, &headers, b"").await;
    let answer = answer.unwrap();
    (answer.status, answer.json())
}

fn show(sidecar: &Sidecar, id: u64) -> String {
    let (worked, said, complained) = sidecar.output(&["refused", "show", &id.to_string()]);
    assert!(worked, "{complained}");
    said
}

#[tokio::test]
async fn a_call_that_came_while_the_database_was_away_is_carried_out_once() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    let key = KeyFile::new();
    let sidecar = key.start(&site, &[]).await;
    server.kill();
    let away = sidecar.client.call(PLAIN_HOOK, NEW).await;
    assert_eq!(away.status, 503, "{}", away.text());
    server.restart().await.unwrap();
    sidecar.client.readiness_becomes(200).await;
    let id = recorded(&site, &away).await;
    assert_eq!(site.number(RUNS).await, 0);

    // Neither the tables nor the command tell the fields.
    let kept =
        "SELECT CONCAT_WS(' ', HEX(sealed), HEX(nonce), HEX(key_id)) FROM wp_fcom_sidecar_kept";
    let kept = site.text(kept).await.unwrap();
    for secret in ["annabella", "Annabella", "Geheimnis7"] {
        assert!(!kept.contains(&hex::encode_upper(secret)), "{kept}");
    }
    let mode = fs::metadata(key.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let said = show(&sidecar, id);
    assert!(
        said.contains(&format!("fcom-sidecar refused retry {id}\n")),
        "{said}"
    );
    assert!(
        !said.contains("nnabella") && !said.contains("Geheimnis"),
        "{said}"
    );

    let (code, told) = retry(&sidecar, &[&id.to_string()]);
    let told = &told[0];
    assert_eq!((code, &told["outcome"]), (0, &json!("created")), "{told}");
    assert_eq!(told["password_generated"], true, "{told}");
    let run = site.number("SELECT id FROM wp_fcom_sidecar_runs").await;
    assert_eq!(told["run_id"], run, "{told}");
    let user = format!(
        "SELECT COUNT(*) FROM wp_users u JOIN wp_usermeta m ON m.user_id = u.ID AND m.meta_key = 'first_name' \
         WHERE u.ID = {} AND u.user_email = 'annabella@example.com' AND m.meta_value = 'Annabella'",
        told["user_id"]
    );
    assert_eq!(site.number(&user).await, 1);
    assert_eq!(site.number(SEALED).await, 0);

    // Once more, and all that are left.
    let (code, again) = retry(&sidecar, &[&id.to_string()]);
    assert_eq!((code, &again[0]["outcome"]), (0, &json!("repeated")));
    assert_eq!(again[0]["run_id"], run);
    assert_eq!(retry(&sidecar, &["--all"]), (0, json!([])));
    assert_eq!(site.number(RUNS).await, 1);
    let said = show(&sidecar, id);
    assert!(said.contains(&format!("retried as run {run}\n")), "{said}");
    // Who asks what became of the request finds both.
    let request = away.header("x-request-id").unwrap();
    let (worked, said, _) = sidecar.output(&["find", request]);
    assert!(
        worked && said.contains(&format!("run {run}: created")),
        "{said}"
    );
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// On two instances and from the command line, all at the same moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retries_at_once_make_one_run() {
    let site = Site::new("71").await;
    let key = KeyFile::new();
    let one = key.start(&site, &[]).await;
    let two = key.start(&site, &[]).await;
    let id = refused(&site, &one, KNOWN).await;
    let lock = site.lock(KNOWN_USER).await;
    let path = format!("/refused/{id}/retry");
    let retries = (0..6).map(|n| post([&one, &two][n % 2], &path));
    let all = async { join_all(retries).await };
    let mut command = one.background(&["refused", "retry", &id.to_string()]);
    let release = async {
        let wait = async || site.calls_that_wait().await >= 3;
        until("the retries do not wait for the user", wait).await;
        drop(lock);
    };
    let (answers, ()) = tokio::join!(all, release);
    assert!(command.wait().unwrap().success());
    let run = site
        .number("SELECT MAX(id) FROM wp_fcom_sidecar_runs")
        .await;
    for (status, told) in &answers {
        assert_eq!((*status, &told["status"]), (200, &json!(200)), "{told}");
        assert_eq!(told["run_id"], run, "{told}");
    }
    assert_eq!(site.number(RUNS).await, 1);
    let (status, told) = post(&two, &path).await;
    assert_eq!((status, &told["outcome"]), (200, &json!("repeated")));
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_that_is_killed_in_the_middle_can_be_retried() {
    let site = Site::new("71").await;
    let key = KeyFile::new();
    let sidecar = key.start(&site, &[]).await;
    let id = refused(&site, &sidecar, KNOWN).await.to_string();
    let lock = site.lock(KNOWN_USER).await;
    let mut command = sidecar.background(&["refused", "retry", &id]);
    site.a_call_waits().await;
    command.kill().unwrap();
    command.wait().unwrap();
    drop(lock);
    until("the server does not give the call up", async || {
        site.calls_that_wait().await == 0
    })
    .await;
    assert_eq!((site.number(RUNS).await, site.number(SEALED).await), (0, 1));
    let (code, told) = retry(&sidecar, &[&id]);
    assert_eq!((code, &told[0]["outcome"]), (0, &json!("found")), "{told}");
    assert_eq!((site.number(RUNS).await, site.number(SEALED).await), (1, 0));
}

/// With the name that its sender gave it, a call is known that the sender has sent again meanwhile.
#[tokio::test]
async fn a_call_that_its_sender_has_sent_again_is_not_carried_out_twice() {
    let site = Site::new("71").await;
    let key = KeyFile::new();
    let sidecar = key.start(&site, &[]).await;
    let headers = [("Content-Type", FORM), ("Idempotency-Key", "order 1")];
    let send = async || {
        let target = target(PLAIN_HOOK);
        let body = b"email=existing%40example.com";
        sidecar
            .client
            .request("POST", &target, &headers, body)
            .await
    };
    corrupt(&site).await;
    let response = send().await;
    assert_eq!(response.status, 423);
    mend(&site).await;
    let id = recorded(&site, &response).await;
    assert_eq!(send().await.status, 200);
    let run = site.number("SELECT id FROM wp_fcom_sidecar_runs").await;
    let (code, told) = retry(&sidecar, &[&id.to_string()]);
    assert_eq!(
        (code, &told[0]["outcome"]),
        (0, &json!("repeated")),
        "{told}"
    );
    assert_eq!(told[0]["run_id"], run);
    assert_eq!((site.number(RUNS).await, site.number(SEALED).await), (1, 0));

    // And the other way round.
    corrupt(&site).await;
    let headers = [("Content-Type", FORM), ("Idempotency-Key", "order 2")];
    let target = target(PLAIN_HOOK);
    let body = b"email=existing%40example.com";
    let client = &sidecar.client;
    let response = client.request("POST", &target, &headers, body).await;
    mend(&site).await;
    let id = recorded(&site, &response).await.to_string();
    assert_eq!(retry(&sidecar, &[&id]).0, 0);
    let again = client.request("POST", &target, &headers, body).await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(site.number(RUNS).await, 2);

    // A name is remembered for a time only: later nobody can say whether the call was executed.
    corrupt(&site).await;
    let headers = [("Content-Type", FORM), ("Idempotency-Key", "order 3")];
    let response = client.request("POST", &target, &headers, body).await;
    mend(&site).await;
    let id = recorded(&site, &response).await;
    let earlier = format!(
        "UPDATE wp_fcom_sidecar_refused SET created_at = created_at - INTERVAL 90 MINUTE WHERE id = {id}"
    );
    site.execute(&earlier).await;
    let one_hour = ["--set", "runs.idempotency_hours=1"];
    let (code, told) = retry(
        &sidecar,
        &[&[id.to_string().as_str()], &one_hour[..]].concat(),
    );
    let problem = told[0]["problem"].as_str().unwrap();
    assert!(code == 1 && problem.contains("idempotency_hours"), "{told}");
    assert_eq!(site.number(RUNS).await, 2);
}

#[tokio::test]
async fn what_a_retry_would_do_is_told_without_doing_it() {
    let site = Site::new("71").await;
    let key = KeyFile::new();
    let keep = [("FCOM_SIDECAR__REFUSED__KEEP_PASSWORDS", "true")];
    let sidecar = key.start(&site, &keep).await;
    let id = refused(&site, &sidecar, NEW).await;
    let before = Snapshot::take(&site).await;
    let (code, told) = retry(&sidecar, &["--dry-run", "--outcome", "unreadable_webhook"]);
    assert_eq!((code, &told[0]["id"]), (0, &json!(id)), "{told}");
    assert_eq!(told[0]["effects"]["names"]["login"]["name"], "annabella");
    let path = format!("/refused/{id}/retry");
    let (status, told) = post(&sidecar, &format!("{path}?dry_run=true")).await;
    assert_eq!(
        (status, &told["outcome"]),
        (200, &json!("created")),
        "{told}"
    );
    assert!(before.diff(&Snapshot::take(&site).await).is_empty());
    assert_eq!(site.number(SEALED).await, 1);

    // Its password was kept.
    let (status, told) = post(&sidecar, &path).await;
    assert_eq!(
        (status, &told["password_generated"]),
        (200, &json!(false)),
        "{told}"
    );
    let (status, told) = post(&sidecar, &format!("{path}?dry_run=true")).await;
    assert_eq!(
        (status, &told["code"]),
        (409, &json!("not_retriable")),
        "{told}"
    );
    for (path, expected) in [
        ("/refused/999999/retry", 404),
        ("/refused/99999999999999999999/retry", 404),
        ("/refused/1/retry?dry_run=perhaps", 400),
    ] {
        assert_eq!(post(&sidecar, path).await.0, expected, "{path}");
    }
    let response = http::request(sidecar.client.admin, "POST", &path, &[], b"").await;
    assert_eq!(response.unwrap().status, 401);
}

#[tokio::test]
async fn only_calls_that_others_kept_out_are_kept() {
    let site = Site::new("71").await;
    let key = KeyFile::new();
    let sidecar = key.start(&site, &[]).await;
    let client = &sidecar.client;
    let no_address = client
        .call(PLAIN_HOOK, &[("first_name", "Annabella")])
        .await;
    assert_eq!(no_address.status, 423);
    let json = client.post(&target(PLAIN_HOOK), "text/plain", b"x").await;
    assert_eq!(json.status, 415);
    corrupt(&site).await;
    let nor_later = client.call(PLAIN_HOOK, &[("email", "annabella")]).await;
    assert_eq!(nor_later.status, 423);
    mend(&site).await;
    for response in [no_address, json, nor_later] {
        let id = recorded(&site, &response).await;
        let (code, told) = retry(&sidecar, &[&id.to_string()]);
        let problem = told[0]["problem"].as_str().unwrap();
        assert!(code == 1 && problem.contains("are not kept"), "{told}");
        assert!(show(&sidecar, id).contains("not possible: its fields are not kept"));
    }
    assert_eq!(site.number(SEALED).await, 0);
    let (code, told) = retry(&sidecar, &["--outcome", "nothing"]);
    assert!(
        code == 1 && told.as_str().unwrap().contains("refused list"),
        "{told}"
    );
    assert_eq!(sidecar.outcome(&["refused", "retry"]).0, 2);

    // Refused again, for the same reason.
    let id = refused(&site, &sidecar, KNOWN).await;
    corrupt(&site).await;
    let (code, told) = retry(&sidecar, &["--all"]);
    assert_eq!((code, &told[0]["status"]), (1, &json!(423)), "{told}");
    mend(&site).await;
    site.execute(&format!(
        "DELETE FROM wp_fcom_meta WHERE meta_key = '{PLAIN_HOOK}'"
    ))
    .await;
    let (code, told) = retry(&sidecar, &[&id.to_string()]);
    assert!(
        code == 1 && told.to_string().contains("was deleted"),
        "{told}"
    );
}

#[tokio::test]
async fn fields_are_kept_for_their_hours_and_no_longer() {
    let site = Site::new("71").await;
    let key = KeyFile::new();
    let mut sidecar = key.start(&site, &[]).await;
    let done = refused(&site, &sidecar, KNOWN).await;
    assert_eq!(retry(&sidecar, &[&done.to_string()]).0, 0);
    let id = refused(&site, &sidecar, NEW).await;
    let other = refused(&site, &sidecar, NEW).await;
    // Their time is up, even before they are deleted.
    let later = format!(
        "UPDATE wp_fcom_sidecar_refused SET created_at = created_at - INTERVAL 25 HOUR WHERE id = {id};
         UPDATE wp_fcom_sidecar_kept SET created_at = created_at - INTERVAL 25 HOUR WHERE refused_id = {id}"
    );
    site.execute(&later).await;
    let (code, told) = retry(&sidecar, &[&id.to_string()]);
    assert!(
        code == 1 && told.to_string().contains("these hours are over"),
        "{told}"
    );
    sidecar.restart().await;
    let of = |id: u64| format!("SELECT COUNT(*) FROM wp_fcom_sidecar_kept WHERE refused_id = {id}");
    site.goes(&of(id)).await;
    assert_eq!(site.number(&of(other)).await, 1);

    // An instance that keeps none deletes what others have kept.
    sidecar.set_environment(KEEP, "0");
    sidecar.restart().await;
    site.goes(SEALED).await;
    let (code, told) = retry(&sidecar, &[&other.to_string()]);
    assert!(
        code == 1 && told.to_string().contains("keep_fields_hours is 0"),
        "{told}"
    );
    let response = sidecar.client.call(PLAIN_HOOK, KNOWN).await;
    assert_eq!(response.status, 200);
    refused(&site, &sidecar, KNOWN).await;
    assert_eq!(site.number(SEALED).await, 0);
    // What was retried is known for as long as the refused call is.
    assert!(show(&sidecar, done).contains("retried as run"));
    site.execute("UPDATE wp_fcom_sidecar_refused SET created_at = created_at - INTERVAL 31 DAY")
        .await;
    refused(&site, &sidecar, KNOWN).await;
    sidecar.restart().await;
    site.goes("SELECT COUNT(*) FROM wp_fcom_sidecar_kept").await;
}

#[tokio::test]
async fn without_the_key_what_was_kept_is_lost_and_said_to_be() {
    let site = Site::new("71").await;
    let key = KeyFile::new();
    let mut sidecar = key.start(&site, &[]).await;
    let id = refused(&site, &sidecar, NEW).await;
    let other = refused(&site, &sidecar, KNOWN).await;
    let elsewhere = key.0.path().join("elsewhere");
    fs::rename(key.path(), &elsewhere).unwrap();
    let number = id.to_string();
    let (code, complained) = retry(&sidecar, &[&number]);
    let complained = complained.as_str().unwrap();
    assert!(
        code == 1 && complained.contains("put the file back"),
        "{complained}"
    );
    let said = show(&sidecar, id);
    assert!(said.contains("not possible: refused.key_file"), "{said}");
    let (_, said, _) = sidecar.outcome(&["check"]);
    let checked = said.lines().find(|line| line.contains("refused-fields"));
    assert!(checked.unwrap().contains("does not exist"), "{said}");
    assert_eq!(
        post(&sidecar, &format!("/refused/{other}/retry?dry_run=true"))
            .await
            .0,
        200
    );

    // The next daemon makes a new one, with which the rows are none that can be retried.
    sidecar.restart().await;
    let (code, told) = retry(&sidecar, &["--all"]);
    assert_eq!((code, told.as_array().unwrap().len()), (1, 2), "{told}");
    assert!(
        told[0]["problem"].as_str().unwrap().contains("another key"),
        "{told}"
    );
    assert!(show(&sidecar, id).contains("encrypted with another key"));
    let (_, listed, _) = sidecar.output(&["refused", "list", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["refused"][0]["retriable"], false, "{listed}");
    let (status, told) = post(&sidecar, &format!("/refused/{id}/retry")).await;
    assert_eq!(
        (status, &told["code"]),
        (409, &json!("not_retriable")),
        "{told}"
    );

    fs::rename(&elsewhere, key.path()).unwrap();
    // Fields of one call are not taken for another's.
    let exchange = format!(
        "UPDATE wp_fcom_sidecar_kept a JOIN wp_fcom_sidecar_kept b ON b.refused_id = {other}
         SET a.sealed = b.sealed, a.nonce = b.nonce WHERE a.refused_id = {id}"
    );
    site.execute(&exchange).await;
    let (code, told) = retry(&sidecar, &["--all"]);
    assert_eq!(code, 1);
    assert!(
        told[0]["problem"]
            .as_str()
            .unwrap()
            .contains("cannot be used"),
        "{told}"
    );
    assert_eq!(told[1]["outcome"], "found", "{told}");
    assert_eq!(site.number(RUNS).await, 1);

    fs::write(key.path(), "no key").unwrap();
    let status = sidecar.run(&["serve"]);
    assert_eq!(status.code(), Some(78));
    assert!(sidecar.log().contains("64 hexadecimal digits"));
}
