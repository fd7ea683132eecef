//! A database that is up but does not respond properly: silent connections, lost answers, rows that another session has
//! locked.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::client::FORM;
use crate::harness::invariants;
use crate::harness::proxy::Proxy;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{KNOWN_USER, PLAIN_HOOK, SPACES_HOOK, Site, target};

/// How long the daemon asks for the outcome of a commit: longer than it retries a call that was rolled back.
const ASKED_FOR: Duration = Duration::from_secs(20);
/// Longer than a call is tried, and than any one attempt.
const UNHEARD: Duration = Duration::from_secs(45);
const DATABASE_URL: &str = "FCOM_SIDECAR__DATABASE__URL";
const LOCK_WAIT: &str = "FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS";
const CONNECTIONS: &str = "FCOM_SIDECAR__DATABASE__MAX_CONNECTIONS";
const IN_FLIGHT: &str = "FCOM_SIDECAR__LIMITS__MAX_CALLS_IN_FLIGHT";

async fn behind(proxy: &Proxy, site: &Site) -> Sidecar {
    let url = proxy.url(site);
    Sidecar::start_with(site, &[(DATABASE_URL, &url), (LOCK_WAIT, "1")]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_get_over_connections_that_have_fallen_silent() {
    let site = Site::new("71").await;
    let proxy = Proxy::start(&site).await;
    let url = proxy.url(&site);
    // The senders would detect some of the silent connections.
    let no_mail = ("FCOM_SIDECAR__MAIL__TRANSPORT", "off");
    let environment = [(DATABASE_URL, url.as_str()), (LOCK_WAIT, "1"), no_mail];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    let call = |n: u32| {
        let client = &sidecar.client;
        async move {
            let email = format!("user{n}@example.com");
            client.execute(PLAIN_HOOK, &[("email", &email)]).await
        }
    };
    // All connections of the pool are open and idle when they fall silent.
    join_all((0..32).map(call)).await;
    invariants::wait_for_tally(&site).await;
    proxy.fall_silent();
    // One call does not have the time to try them one by one.
    call(0).await;
    // Existing members and new ones.
    join_all((28..36).map(call)).await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
    assert_eq!(sidecar.client.admin_status("/readyz").await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_found_once_the_database_is_back() {
    let site = Site::new("71").await;
    let proxy = Proxy::start(&site).await;
    let sidecar = behind(&proxy, &site).await;
    let target = target(PLAIN_HOOK);
    let headers = [("Content-Type", FORM), ("Idempotency-Key", "order 7")];
    let call = || {
        let body = b"email=lost%40example.com";
        sidecar.client.request("POST", &target, &headers, body)
    };
    let fault = async {
        proxy.lose_the_next_commit().await;
        let committed = "SELECT COUNT(*) FROM wp_users WHERE user_email = 'lost@example.com'";
        site.comes(committed).await;
        // The first query for the outcome fails.
        sidecar.says("trying the call again").await;
        // An answer of now would differ from that of then.
        let earlier = "UPDATE wp_fcom_sidecar_runs SET created_at = created_at - INTERVAL 1 HOUR";
        site.execute(earlier).await;
        proxy.come_back().await;
    };
    let (found, ()) = tokio::join!(call(), fault);
    assert_eq!(found.status, 200, "{}", found.text());
    let newest = "SELECT MAX(ID) FROM wp_users";
    assert_eq!(found.json()["user_id"], site.number(newest).await);
    // Whoever repeats it gets the same answer.
    sidecar.client.readiness_becomes(200).await;
    let again = call().await;
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(again.json(), found.json());
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// Also of an existing user, whose second run would show nowhere else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_which_a_proxy_says_that_its_connection_was_lost_is_the_only_run() {
    for email in ["denied@example.com", "existing@example.com"] {
        let site = Site::new("71").await;
        let proxy = Proxy::start(&site).await;
        let sidecar = behind(&proxy, &site).await;
        let fields = [("email", email)];
        let call = sidecar.client.execute(PLAIN_HOOK, &fields);
        let (id, ()) = tokio::join!(call, proxy.deny_the_next_commit());
        let runs = "SELECT GROUP_CONCAT(user_id) FROM wp_fcom_sidecar_runs";
        assert_eq!(site.text(runs).await, Some(id.to_string()));
        sidecar.says("error 2013").await;
        invariants::wait_for_tally(&site).await;
        invariants::assert_hold(&site).await;
    }
}

/// Nobody knows yet which keys are good, and to ask takes as long as to execute.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_outlasts_a_database_that_does_not_answer() {
    let site = Site::new("71").await;
    let proxy = Proxy::start(&site).await;
    let url = proxy.url(&site);
    let no_mail = ("FCOM_SIDECAR__MAIL__TRANSPORT", "off");
    let environment = [(DATABASE_URL, url.as_str()), (IN_FLIGHT, "32"), no_mail];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    proxy.fall_silent_for_good();
    let calls = (0..60).map(|n| {
        let sidecar = &sidecar;
        async move {
            let email = format!("user{n}@example.com");
            let fields = [("email", email.as_str())];
            sidecar.client.call(PLAIN_HOOK, &fields).await
        }
    });
    let answers = tokio::time::timeout(UNHEARD, join_all(calls)).await;
    for answer in answers.expect("calls wait for the database") {
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    proxy.speak_again();
    sidecar.client.readiness_becomes(200).await;
    let fields = [("email", "later@example.com")];
    sidecar.client.execute(PLAIN_HOOK, &fields).await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_for_a_proxy_to_reach_its_server_again() {
    let site = Site::new("71").await;
    let proxy = Proxy::start(&site).await;
    let sidecar = behind(&proxy, &site).await;
    let first = [("email", "first@example.com")];
    sidecar.client.execute(PLAIN_HOOK, &first).await;
    // The call has begun when the server is lost.
    let blocker = site.lock(KNOWN_USER).await;
    let fields = [("email", "existing@example.com")];
    let call = sidecar.client.execute(PLAIN_HOOK, &fields);
    let fault = async {
        site.a_call_waits().await;
        proxy.strand();
        blocker.rollback().await.unwrap();
        sidecar.says("connection: error 2003: Can't connect").await;
        proxy.refloat();
    };
    tokio::join!(call, fault);
    sidecar.client.readiness_becomes(200).await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_nobody_can_ask_about_is_not_called_undone() {
    let site = Site::new("71").await;
    let proxy = Proxy::start(&site).await;
    let mut sidecar = behind(&proxy, &site).await;
    let fields = [("email", "unknown@example.com")];
    let call = sidecar.client.call(PLAIN_HOOK, &fields);
    let started = Instant::now();
    let (response, ()) = tokio::join!(call, proxy.lose_the_next_commit());
    assert!(started.elapsed() > ASKED_FOR);
    assert_eq!(response.status, 503);
    let said = response.text();
    assert!(said.contains("Nobody can say whether"), "{said}");
    proxy.come_back().await;
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    // The answer told the caller to call again.
    sidecar.client.execute(PLAIN_HOOK, &fields).await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

/// The server still has the transaction, with its locks, and no run of it shows yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_the_server_may_still_carry_out_is_not_called_undone() {
    let site = Site::new("71").await;
    let proxy = Proxy::start(&site).await;
    let sidecar = behind(&proxy, &site).await;
    let fields = [("email", "pending@example.com")];
    let call = sidecar.client.call(PLAIN_HOOK, &fields);
    let started = Instant::now();
    let (response, ()) = tokio::join!(call, proxy.hold_the_next_commit());
    assert!(started.elapsed() > ASKED_FOR);
    assert_eq!(response.status, 503);
    let said = response.text();
    assert!(said.contains("Nobody can say whether"), "{said}");
    sidecar.says("call perhaps executed").await;
    sidecar.says("outcome=\"commit_unknown\"").await;
    let committed = "SELECT COUNT(*) FROM wp_users WHERE user_email = 'pending@example.com'";
    assert_eq!(site.number(committed).await, 0);

    proxy.deliver();
    site.comes(committed).await;
    // The answer told the caller to call again.
    sidecar.client.execute(PLAIN_HOOK, &fields).await;
    assert_eq!(site.number(committed).await, 1);
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_arrives_while_the_call_is_tried_again_is_its_only_run() {
    for email in ["late@example.com", "existing@example.com"] {
        let site = Site::new("71").await;
        let proxy = Proxy::start(&site).await;
        let sidecar = behind(&proxy, &site).await;
        let fields = [("email", email)];
        let call = sidecar.client.execute(PLAIN_HOOK, &fields);
        let fault = async {
            proxy.hold_the_next_commit().await;
            // The next attempt waits for the locks of the one whose commit is pending.
            sidecar.says("error 1205").await;
            proxy.deliver();
        };
        let (id, ()) = tokio::join!(call, fault);
        let runs = "SELECT GROUP_CONCAT(user_id) FROM wp_fcom_sidecar_runs";
        assert_eq!(site.text(runs).await, Some(id.to_string()));
        invariants::wait_for_tally(&site).await;
        invariants::assert_hold(&site).await;
    }
}

#[tokio::test]
async fn a_locked_user_keeps_nobody_else_waiting() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[(CONNECTIONS, "3"), (LOCK_WAIT, "2")]).await;
    let blocker = site.lock(KNOWN_USER).await;
    let locked: Vec<_> = (0..20)
        .map(|_| {
            let client = sidecar.client.clone();
            tokio::spawn(async move {
                let known = [("email", "existing@example.com")];
                client.call(PLAIN_HOOK, &known).await
            })
        })
        .collect();
    site.a_call_waits().await;
    for n in 0..20 {
        let email = format!("other{n}@example.com");
        sidecar
            .client
            .execute(PLAIN_HOOK, &[("email", &email)])
            .await;
    }
    assert!(locked.iter().all(|call| !call.is_finished()));
    for call in locked {
        let response = call.await.unwrap();
        assert_eq!(response.status, 503);
        let said = response.text();
        assert!(said.contains("nothing was changed"), "{said}");
    }
    blocker.rollback().await.unwrap();
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_claimed_login_keeps_no_other_new_member_waiting() {
    let site = Site::new("71").await;
    // Three of four connections may serve new members.
    let sidecar = Sidecar::start_with(&site, &[(CONNECTIONS, "4"), (LOCK_WAIT, "2")]).await;
    let mut blocker = site.pool().begin().await.unwrap();
    let claim = "INSERT INTO wp_fcom_sidecar_claims (kind, value, call_id) VALUES ('login', 'wanted', REPEAT('x', 16))";
    sqlx::query(claim).execute(&mut *blocker).await.unwrap();
    let waiting: Vec<_> = (0..13)
        .map(|n| {
            let client = sidecar.client.clone();
            tokio::spawn(async move {
                let email = format!("waiting{n}@example.com");
                let fields = [("email", email.as_str()), ("user_login", "wanted")];
                client.call(PLAIN_HOOK, &fields).await
            })
        })
        .collect();
    let waits = "SELECT COUNT(*) FROM information_schema.processlist \
        WHERE id <> CONNECTION_ID() AND db = DATABASE() AND info LIKE '%_sidecar_claims%'";
    site.comes(waits).await;
    for n in 0..5 {
        let email = format!("other{n}@example.com");
        let other = [("email", email.as_str())];
        sidecar.client.execute(PLAIN_HOOK, &other).await;
    }
    assert!(waiting.iter().all(|call| !call.is_finished()));
    blocker.rollback().await.unwrap();
    for call in waiting {
        let response = call.await.unwrap();
        assert!([200, 503].contains(&response.status), "{}", response.text());
    }
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_webhook_that_cannot_be_counted_keeps_no_other_from_it() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    site.execute(&format!(
        "CREATE TRIGGER refuse BEFORE UPDATE ON wp_fcom_meta FOR EACH ROW \
         IF NEW.meta_key = '{PLAIN_HOOK}' THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF"
    ))
    .await;
    let call = |n: u32| {
        let client = &sidecar.client;
        async move {
            let email = format!("user{n}@example.com");
            let key = [PLAIN_HOOK, SPACES_HOOK][n as usize % 2];
            client.execute(key, &[("email", &email)]).await;
        }
    };
    join_all((0..20).map(call)).await;
    let uncounted = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs r \
        JOIN wp_fcom_meta w ON w.id = r.webhook_id WHERE tallied = 0 AND w.meta_key =";
    assert_eq!(
        site.number(&format!("{uncounted} '{SPACES_HOOK}'")).await,
        0
    );
    assert_eq!(
        site.number(&format!("{uncounted} '{PLAIN_HOOK}'")).await,
        10
    );
    site.execute("DROP TRIGGER refuse").await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}

#[tokio::test]
async fn a_client_that_hangs_up_gives_its_place_back_only_when_its_call_has_ended() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[(IN_FLIGHT, "1")]).await;
    let blocker = site.lock(KNOWN_USER).await;
    let body = "email=existing%40example.com";
    let head = format!(
        "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        target(PLAIN_HOOK),
        body.len()
    );
    let mut client = TcpStream::connect(sidecar.client.public).await.unwrap();
    client
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
    site.a_call_waits().await;
    // A reset, so that the daemon notices it while the call is waiting.
    client.set_zero_linger().unwrap();
    drop(client);
    for _ in 0..50 {
        let refused = sidecar
            .client
            .call(PLAIN_HOOK, &[("email", "next@example.com")])
            .await;
        assert_eq!(refused.status, 503, "{}", refused.text());
    }
    blocker.rollback().await.unwrap();
    site.comes("SELECT COUNT(*) FROM wp_fcom_sidecar_runs")
        .await;
    invariants::wait_for_tally(&site).await;
    invariants::assert_hold(&site).await;
}
