//! Many calls at full speed under every possible fault: `make relay-run` makes thousands of them and measures, `make
//! test` a hundred.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{PREFIX, Relayed};
use crate::harness::client::{Client, FORM};
use crate::harness::eventually::{eventually, time_passes, until};
use crate::harness::http;
use crate::harness::site::{LEAVING_HOOK, MEMBERS_HOOK, PLAIN_HOOK, target};

const CALLERS: usize = 16;
/// Calls per group of members: each is a new member, and the last one leaves again.
const CALLS_OF_GROUP: u64 = 5;
const ATTEMPTS: u64 = 4;
/// Events of a killed process are taken over soon; no listener here takes as long as the lease.
const PACE: &str = "define( 'FCOM_SIDECAR_SECRET', 'a secret that both sides know' );\n\
                    define( 'FCOM_SIDECAR_ATTEMPTS', 4 );\n\
                    define( 'FCOM_SIDECAR_FIRST_RETRY', 1 );\n\
                    define( 'FCOM_SIDECAR_LEASE', 15 );\n";

#[expect(clippy::disallowed_methods, reason = "only a test reads these")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// A call whose fields are not searched for in the log: that would take longer than everything else.
async fn call(client: &Client, key: &str, email: &str) {
    let headers = [("Content-Type", FORM)];
    let body = format!("email={email}%40example.com");
    let (target, body) = (target(key), body.as_bytes());
    let response = http::request(client.public, "POST", &target, &headers, body).await;
    let response = response.unwrap();
    assert_eq!(response.status, 200, "{}", response.text());
}

/// Every caller calls again once it is answered. `made` counts the calls. Returns calls per second.
async fn call_all(client: &Client, made: &Arc<AtomicU64>, calls: &Calls) -> f64 {
    let began = Instant::now();
    let next = Arc::new(AtomicU64::new(0));
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (client, next, made, calls) =
            (client.clone(), Arc::clone(&next), Arc::clone(made), *calls);
        callers.spawn(async move {
            loop {
                let member = next.fetch_add(1, Ordering::Relaxed);
                if member >= calls.members {
                    return;
                }
                let email = format!("{}{member}", calls.name);
                call(&client, calls.key, &email).await;
                made.fetch_add(1, Ordering::Relaxed);
                if calls.some_leave && member % (CALLS_OF_GROUP - 1) == 0 {
                    call(&client, LEAVING_HOOK, &email).await;
                    made.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
    let made = calls.members + calls.members.div_ceil(4) * u64::from(calls.some_leave);
    rate(made, began)
}

#[derive(Clone, Copy)]
struct Calls {
    key: &'static str,
    name: &'static str,
    members: u64,
    some_leave: bool,
}

#[expect(clippy::cast_precision_loss, reason = "some thousands of calls")]
fn rate(calls: u64, since: Instant) -> f64 {
    calls as f64 / since.elapsed().as_secs_f64()
}

/// What the table and the listeners know of an event.
struct Told {
    id: u64,
    state: String,
    attempts: u64,
    interrupted: u64,
    heard: u64,
}

/// Hook, member and space (0 for none): each happens once in this burst.
type Subject = (String, u64, u64);

async fn told(relayed: &Relayed) -> BTreeMap<Subject, Told> {
    let rows = format!(
        "SELECT CASE kind WHEN 'space_joined' THEN 'fluent_community/space/joined' \
             WHEN 'course_enrolled' THEN 'fluent_community/course/enrolled' \
             WHEN 'space_left' THEN 'fluent_community/space/user_left' \
             WHEN 'course_left' THEN 'fluent_community/course/student_left' ELSE kind END, \
         user_id, COALESCE(space_id, 0), id, state, attempts, interrupted \
         FROM {PREFIX}fcom_sidecar_events"
    );
    let rows = relayed.site.rows(&rows).await;
    rows.into_iter()
        .map(|row| {
            let text = |column: usize| row[column].clone().unwrap();
            let number = |column: usize| text(column).parse::<u64>().unwrap();
            let told = Told {
                id: number(3),
                state: text(4),
                attempts: number(5),
                interrupted: number(6),
                heard: 0,
            };
            ((text(0), number(1), number(2)), told)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_is_heard_of_completely_and_in_order_whatever_fails() {
    let calls = number("FCOM_RELAY_CALLS", 100);
    let seed = number("FCOM_RELAY_SEED", 1);
    let away = Duration::from_secs(if calls >= 5000 { 60 } else { 1 });
    let relayed = Relayed::with(PACE).await;
    let (sidecar, mut server) = relayed.woken().await;
    relayed
        .write_trouble(&json!({ "user": "anybody", "hook": "any", "how": "seeded", "seed": seed }));

    let made = Arc::new(AtomicU64::new(0));
    let (client, count) = (sidecar.client.clone(), Arc::clone(&made));
    let began = Instant::now();
    let burst = Calls {
        key: MEMBERS_HOOK,
        name: "user",
        members: calls / CALLS_OF_GROUP * (CALLS_OF_GROUP - 1),
        some_leave: true,
    };
    let callers = tokio::spawn(async move { call_all(&client, &count, &burst).await });
    let some = async |share: u64| {
        until("the calls stop", async || {
            assert!(!callers.is_finished(), "the calls have ended already");
            made.load(Ordering::Relaxed) >= calls * share / 100
        })
        .await;
    };
    some(20).await;
    server.kill_php();
    some(40).await;
    server.go_away();
    let gone = Instant::now();
    let rate = callers.await.unwrap();
    time_passes(away.saturating_sub(gone.elapsed())).await;
    server.come_back();
    let total = relayed.count("1 = 1").await;
    let pending = async || relayed.count("state = 'pending'").await;
    let (mut left, mut kills) = (pending().await, 0);
    while left > 0 {
        // A kill in the middle of its work, and later a second one.
        if kills < 2 && left < total * (2 - kills) / 3 {
            server.kill_php();
            kills += 1;
        }
        left = eventually(async || match pending().await {
            fewer if fewer < left => Ok(fewer),
            _ => Err(format!("{:?}", relayed.events("last_error").await)),
        })
        .await;
    }
    let took = began.elapsed();

    let mut events = told(&relayed).await;
    assert_eq!(made.load(Ordering::Relaxed), calls);
    // Three of WordPress and four memberships per member, and four per member who leaves.
    assert_eq!(events.len() as u64, calls / CALLS_OF_GROUP * (4 * 7 + 4));
    let unexplained = "state NOT IN ('done', 'skipped', 'dead') \
                       OR state IN ('skipped', 'dead') AND COALESCE(last_error, '') = ''";
    assert_eq!(relayed.count(unexplained).await, 0);
    let mut latest: BTreeMap<u64, u64> = BTreeMap::new();
    for line in relayed.record() {
        let first = &line["args"][0];
        let (user, space) = match first["integer"].as_u64() {
            Some(user) => (user, 0),
            None => (
                line["args"][1]["integer"].as_u64().unwrap(),
                first["id"].as_u64().unwrap(),
            ),
        };
        let subject = (line["hook"].as_str().unwrap().to_owned(), user, space);
        let event = events.get_mut(&subject).unwrap();
        event.heard += 1;
        let before = latest.insert(user, event.id).unwrap_or_default();
        assert!(before <= event.id, "{line} is out of turn");
    }
    for (subject, event) in &events {
        // An attempt for something that is gone fires no hook, nor does the one that finds the attempts used up.
        let silent = u64::from(event.state == "skipped" || event.attempts > ATTEMPTS);
        let fewest = event.attempts - silent.min(event.attempts);
        let fewest = fewest.saturating_sub(event.interrupted);
        let heard = event.heard;
        assert!(
            (fewest..=event.attempts).contains(&heard),
            "{subject:?}: heard {heard} times in {} attempts, {} interrupted",
            event.attempts,
            event.interrupted
        );
    }
    let of_state = |state: &str| events.values().filter(|event| event.state == state).count();
    let again: u64 = events
        .values()
        .map(|event| event.heard.saturating_sub(1))
        .sum();
    let died: u64 = events.values().map(|event| event.interrupted).sum();
    assert!(died > 0 && again > 0, "nothing went wrong");
    eprintln!(
        "seed {seed}: {calls} calls, {rate:.0} a second; {} events: {} done, {} skipped, {} dead; \
         {again} heard again after a failure, PHP died in the middle of {died}; all ended after {took:.0?}",
        events.len(),
        of_state("done"),
        of_state("skipped"),
        of_state("dead"),
    );
}

/// With PHP on the same processors. For a machine without other work; each round is long enough for PHP to get its
/// share.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: make relay-run"]
async fn calls_keep_their_rate_while_wordpress_fires_hooks() {
    let calls = number("FCOM_RELAY_CALLS", 5000);
    let relayed = Relayed::with(PACE).await;
    let (on, _server) = relayed.woken().await;
    let off = relayed
        .sidecar(&[("FCOM_SIDECAR__RELAY__ENABLED", "false")])
        .await;
    for (key, what, names) in [
        (PLAIN_HOOK, "3 hooks each", ["a", "b", "c", "d", "e", "f"]),
        (MEMBERS_HOOK, "7 hooks each", ["g", "h", "i", "j", "k", "l"]),
    ] {
        let mut ratios = Vec::new();
        for pair in names.chunks(2) {
            let mut rates = Vec::new();
            for (sidecar, name) in [&off, &on].into_iter().zip(pair) {
                let burst = Calls {
                    key,
                    name,
                    members: calls,
                    some_leave: false,
                };
                let rate = call_all(&sidecar.client, &Arc::default(), &burst).await;
                let fired = relayed.count("state = 'done'").await;
                eprintln!(
                    "{what}, relay {}: {rate:.0} calls a second, {fired} hooks fired meanwhile",
                    if rates.is_empty() { "off" } else { "on" }
                );
                rates.push(rate);
                // The next round starts with an empty queue.
                let forget = format!("DELETE FROM {PREFIX}fcom_sidecar_events WHERE lease IS NULL");
                until("events stay leased", async || {
                    relayed.site.execute(&forget).await;
                    relayed.count("1 = 1").await == 0
                })
                .await;
            }
            ratios.push(rates[1] / rates[0]);
        }
        ratios.sort_by(f64::total_cmp);
        eprintln!("{what}: on over off {ratios:.2?}, median {:.2}", ratios[1]);
        assert!(ratios[1] >= 0.85, "{ratios:?}");
    }
}
