//! Calls that change nothing, and have company: one transaction records and counts the runs of all that wait.

use futures_util::future::join_all;

use crate::harness::client::{Client, FORM};
use crate::harness::company::{Company, PATIENT};
use crate::harness::http::Response;
use crate::harness::proxy::Proxy;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, Site, target};
use crate::harness::webhook_record::running_count;
use crate::harness::{invariants, metrics};

const MEMBERS: [&str; 6] = [
    "existing@example.com",
    "profiled.user@example.com",
    "described@example.com",
    "memberships@example.com",
    "globalmod@example.com",
    "john.doe@example.com",
];
const CALLS: usize = 24;
/// Holds all webhooks.
const WEBHOOKS: &str = "SELECT id FROM wp_fcom_meta WHERE object_type = 'webhook' FOR UPDATE";

/// Calls both webhooks for all members: from then on there is nothing to change, and the daemon has seen so.
async fn settle(client: &Client) {
    for hook in [PLAIN_HOOK, MEMBERS_HOOK] {
        for email in MEMBERS.iter().chain(&MEMBERS[..1]) {
            client.execute(hook, &[("email", email)]).await;
        }
    }
}

/// Calls at once for all members in turn, each webhook for half of them.
async fn call_all(client: &Client) -> Vec<Response> {
    let calls = (0..CALLS).map(|call| {
        let hook = [PLAIN_HOOK, MEMBERS_HOOK][call / MEMBERS.len() % 2];
        async move {
            let email = [("email", MEMBERS[call % MEMBERS.len()])];
            client.call(hook, &email).await
        }
    });
    join_all(calls).await
}

#[track_caller]
fn assert_executed(responses: &[Response]) {
    for response in responses {
        assert_eq!(response.status, 200, "{}", response.text());
    }
}

async fn total(site: &Site) -> u64 {
    let webhooks = site.webhooks().await;
    webhooks
        .iter()
        .map(|(_, record)| running_count(record))
        .sum()
}

async fn recorded(site: &Site) -> u64 {
    let runs = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs";
    site.number(runs).await
}

async fn runs(site: &Site) -> u64 {
    let runs = "SELECT COUNT(*) FROM wp_fcom_sidecar_runs WHERE tallied";
    site.number(runs).await
}

/// Waits until so many calls wait for a count.
async fn gather(client: &Client, calls: usize) {
    let all = f64::from(u32::try_from(calls).unwrap());
    let series = "fcom_sidecar_tally_waiting_runs";
    metrics::wait_for(client, series, |waiting| waiting >= all).await;
}

/// While one such transaction waits for a webhook, other calls gather, and the next one takes all of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_change_nothing_share_a_transaction() {
    let site = Site::new("71").await;
    let proxy = Proxy::start(&site).await;
    let url = proxy.url(&site);
    let environment = [("FCOM_SIDECAR__DATABASE__URL", url.as_str()), PATIENT];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    settle(&sidecar.client).await;
    let company = Company::start(&site, &sidecar.client).await;
    let (before, earlier) = (total(&site).await, runs(&site).await);
    let holder = site.lock(WEBHOOKS).await;
    let commits = proxy.commits();
    let client = sidecar.client.clone();
    let calls = tokio::spawn(async move { call_all(&client).await });
    gather(&sidecar.client, CALLS).await;
    holder.rollback().await.unwrap();
    assert_executed(&calls.await.unwrap());
    // That of the first ones, and that of all who came while it waited.
    let commits = proxy.commits() - commits;
    assert_eq!(commits, 2);
    assert_eq!(total(&site).await - before, CALLS as u64);
    assert_eq!(runs(&site).await - earlier, CALLS as u64);
    company.end().await;
    invariants::assert_hold(&site).await;
}

/// Two of them have one name: each call is on its own then, and the second one gets the first one's answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_comes_twice_among_them_is_executed_once() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[PATIENT]).await;
    settle(&sidecar.client).await;
    let company = Company::start(&site, &sidecar.client).await;
    let (before, earlier) = (total(&site).await, runs(&site).await);
    let holder = site.lock(WEBHOOKS).await;
    let client = sidecar.client.clone();
    let calls = tokio::spawn(async move {
        let headers = [("Content-Type", FORM), ("Idempotency-Key", "order 7")];
        let (body, target) = (b"email=existing%40example.com", target(PLAIN_HOOK));
        let named = || client.request("POST", &target, &headers, body);
        let (one, other, others) = futures_util::join!(named(), named(), call_all(&client));
        ([one, other], others)
    });
    gather(&sidecar.client, CALLS + 2).await;
    holder.rollback().await.unwrap();
    let (named, others) = calls.await.unwrap();
    assert_executed(&named);
    assert_executed(&others);
    let replayed = named
        .iter()
        .filter(|response| response.header("idempotent-replayed").is_some());
    assert_eq!(replayed.count(), 1);
    assert_eq!(total(&site).await - before, CALLS as u64 + 1);
    assert_eq!(runs(&site).await - earlier, CALLS as u64 + 1);
    company.end().await;
    invariants::assert_hold(&site).await;
}

/// The answer to their commit is lost: each of them looks for its own run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_several_whose_answer_is_lost_is_found() {
    let site = Site::new("71").await;
    let proxy = Proxy::start(&site).await;
    let url = proxy.url(&site);
    let environment = [("FCOM_SIDECAR__DATABASE__URL", url.as_str()), PATIENT];
    let sidecar = Sidecar::start_with(&site, &environment).await;
    settle(&sidecar.client).await;
    let (before, earlier) = (total(&site).await, runs(&site).await);
    let company = Company::start(&site, &sidecar.client).await;
    let holder = site.lock(WEBHOOKS).await;
    let client = sidecar.client.clone();
    let calls = tokio::spawn(async move { call_all(&client).await });
    gather(&sidecar.client, CALLS).await;
    let fault = async {
        proxy.lose_the_next_commit().await;
        // The first query for the outcome fails.
        sidecar.says("trying the call again").await;
        proxy.come_back().await;
    };
    let ((), ()) = tokio::join!(fault, async { holder.rollback().await.unwrap() });
    assert_executed(&calls.await.unwrap());
    assert_eq!(runs(&site).await - earlier, CALLS as u64);
    assert_eq!(total(&site).await - before, CALLS as u64);
    company.end().await;
    invariants::assert_hold(&site).await;
}

/// A webhook that nobody can write: they are executed all the same, and counted as soon as that is possible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_cannot_be_written_is_counted_later() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[PATIENT]).await;
    settle(&sidecar.client).await;
    let company = Company::start(&site, &sidecar.client).await;
    let (before, earlier) = (total(&site).await, runs(&site).await);
    site.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON wp_fcom_meta FOR EACH ROW \
         SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'",
    )
    .await;
    assert_executed(&call_all(&sidecar.client).await);
    assert_eq!(runs(&site).await, earlier);
    site.execute("DROP TRIGGER refuse").await;
    company.end().await;
    // With the company's own run.
    invariants::wait_for_tally(&site).await;
    assert_eq!(total(&site).await - before, CALLS as u64 + 1);
    assert_eq!(runs(&site).await - earlier, CALLS as u64 + 1);
    invariants::assert_hold(&site).await;
}

/// What looks unchanged at first is looked at again behind the lock: whoever has no profile gets one, and whoever is no member
/// becomes one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_lacks_something_gets_it_also_in_company() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[PATIENT]).await;
    settle(&sidecar.client).await;
    let company = Company::start(&site, &sidecar.client).await;
    let lacking = [
        "DELETE FROM wp_fcom_xprofile WHERE user_id = 2",
        "DELETE FROM wp_fcom_space_user WHERE user_id = '2'",
        "UPDATE wp_fcom_space_user SET status = 'pending' WHERE user_id = '2'",
    ];
    let state = "SELECT COUNT(*) * 100 + (SELECT COUNT(*) FROM wp_fcom_space_user \
                 WHERE user_id = '2' AND status = 'active') FROM wp_fcom_xprofile WHERE user_id = 2";
    let whole = site.number(state).await;
    for change in lacking {
        // A call that changes nothing makes the daemon look without a lock first.
        let email = [("email", MEMBERS[1])];
        sidecar.client.execute(MEMBERS_HOOK, &email).await;
        site.execute(change).await;
        assert_ne!(site.number(state).await, whole, "{change}");
        sidecar
            .client
            .execute(MEMBERS_HOOK, &[("email", MEMBERS[0])])
            .await;
        assert_eq!(site.number(state).await, whole, "{change}");
    }
    company.end().await;
    invariants::assert_hold(&site).await;
}

/// Somebody holds one webhook for longer than anybody waits: calls are executed all the same, those for the other one, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_somebody_holds_for_long_keeps_no_call_from_its_end() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start_with(&site, &[PATIENT]).await;
    settle(&sidecar.client).await;
    let company = Company::start(&site, &sidecar.client).await;
    let (before, earlier) = (total(&site).await, recorded(&site).await);
    let holder = site
        .lock("SELECT id FROM wp_fcom_meta WHERE id = 4 FOR UPDATE")
        .await;
    assert_executed(&call_all(&sidecar.client).await);
    assert_eq!(recorded(&site).await - earlier, CALLS as u64);
    holder.rollback().await.unwrap();
    company.end().await;
    invariants::wait_for_tally(&site).await;
    assert_eq!(total(&site).await - before, CALLS as u64 + 1);
    invariants::assert_hold(&site).await;
}
