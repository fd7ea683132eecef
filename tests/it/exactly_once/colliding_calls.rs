//! Concurrent calls that collide: identical ones, ones that want the same names, and a mixture on two instances.

use std::collections::BTreeSet;

use rand::RngExt;
use rand::seq::IndexedRandom;
use tokio::task::JoinSet;

use crate::harness::client::Client;
use crate::harness::http::Response;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{LEAVING_HOOK, MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site};
use crate::harness::webhook_record::running_count;

const CALLERS: usize = 64;

/// One call of the load: the webhook and the address.
type Call = (&'static str, String);

/// Sends all calls, at most `at_once` of them concurrently, in turns to the clients.
async fn send_all(clients: &[Client], calls: Vec<Call>, at_once: usize) -> Vec<Response> {
    let mut tasks = JoinSet::new();
    let mut responses = Vec::new();
    for (client, (key, email)) in clients.iter().cycle().cloned().zip(calls) {
        if tasks.len() == at_once {
            responses.push(tasks.join_next().await.unwrap().unwrap());
        }
        tasks.spawn(async move { client.call(key, &[("email", &email)]).await });
    }
    responses.extend(tasks.join_all().await);
    responses
}

/// Asserts that every call was executed, and returns the users' ids.
#[track_caller]
fn executed_for(responses: &[Response]) -> BTreeSet<u64> {
    let id = |response: &Response| {
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()["user_id"].as_u64().unwrap()
    };
    responses.iter().map(id).collect()
}

async fn counts(site: &Site) -> u64 {
    let webhooks = site.webhooks().await;
    webhooks
        .iter()
        .map(|(_, record)| running_count(record))
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identical_calls_at_once_make_one_user() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let earlier = counts(&site).await;
    let calls = vec![(MEMBERS_HOOK, "ann@example.com".to_owned()); CALLERS];
    let responses = send_all(std::slice::from_ref(&sidecar.client), calls, CALLERS).await;
    assert_eq!(responses.len(), CALLERS);
    assert_eq!(executed_for(&responses).len(), 1);
    assert_eq!(counts(&site).await - earlier, CALLERS as u64);
    for (table, condition, rows) in [
        ("wp_users", "user_email = 'ann@example.com'", 1),
        ("wp_usermeta", "user_id > 12", 14),
        ("wp_fcom_xprofile", "user_id > 12", 1),
        ("wp_fcom_space_user", "user_id NOT IN ('7', '8', '9')", 4),
        ("wp_fcom_sidecar_mail", "user_id > 12", 1),
        ("wp_fcom_sidecar_runs", "user_id > 12", CALLERS as u64),
    ] {
        let sql = format!("SELECT COUNT(*) FROM {table} WHERE {condition}");
        assert_eq!(site.number(&sql).await, rows, "{sql}");
    }
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_users_who_want_one_name_get_a_name_each() {
    let site = Site::new("71").await;
    let sidecar = Sidecar::start(&site).await;
    let calls = (0..CALLERS)
        .map(|number| (PLAIN_HOOK, format!("sam@domain{number}.example.com")))
        .collect();
    // Each waits for those before it, for at most fifteen seconds: a busy machine cannot serve too many in that time.
    let responses = send_all(std::slice::from_ref(&sidecar.client), calls, CALLERS / 8).await;
    assert_eq!(executed_for(&responses).len(), CALLERS);
    for column in ["user_login", "user_nicename", "user_email"] {
        let sql = format!("SELECT COUNT(DISTINCT {column}) FROM wp_users WHERE ID > 12");
        assert_eq!(site.number(&sql).await, CALLERS as u64, "{column}");
    }
    invariants::assert_hold(&site).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mixture_on_two_instances_is_counted_to_the_last_call() {
    let site = Site::new("68").await;
    let (one, two) = (Sidecar::start(&site).await, Sidecar::start(&site).await);
    let earlier = counts(&site).await;
    let hooks = [PLAIN_HOOK, MEMBERS_HOOK, SPACES_HOOK, LEAVING_HOOK];
    let known = [
        "existing",
        "profiled.user",
        "described",
        "memberships",
        "blockedmod",
        "globalmod",
    ];
    let calls: Vec<Call> = {
        let mut random = rand::rng();
        let mut call = || {
            let hook = *hooks.choose(&mut random).unwrap();
            let name = if random.random_bool(0.4) {
                (*known.choose(&mut random).unwrap()).to_owned()
            } else {
                // Few enough names that most are called several times, often concurrently.
                format!("new{}", random.random_range(0..150))
            };
            (hook, format!("{name}@example.com"))
        };
        (0..1000).map(|_| call()).collect()
    };
    let addresses: BTreeSet<&String> = calls.iter().map(|(_, email)| email).collect();
    let people = addresses.len();
    let clients = [one.client.clone(), two.client.clone()];
    let responses = send_all(&clients, calls, 32).await;
    assert_eq!(responses.len(), 1000);
    assert_eq!(executed_for(&responses).len(), people);
    assert_eq!(counts(&site).await - earlier, 1000);
    invariants::assert_hold(&site).await;
}
