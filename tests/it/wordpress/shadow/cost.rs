//! What shadow mode costs callers: `make shadow-run` measures. PHP answers behind nginx, asked directly and through the sidecar in turns.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use futures_util::future::join_all;

use super::super::web_server::WebServer;
use super::{community, shadow};
use crate::harness::client::FORM;
use crate::harness::eventually::until;
use crate::harness::http;
use crate::harness::site::{SPACES_HOOK, target};

/// Rounds of each kind, and calls of a caller in one.
const ROUNDS: usize = 8;
const CALLS: usize = 5;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// One round: how long each call took, in milliseconds.
async fn round(address: SocketAddr, callers: usize, is_new: bool) -> Vec<f64> {
    let caller = async || {
        let mut took = Vec::new();
        for _ in 0..CALLS {
            let email = match NUMBER.fetch_add(1, Ordering::Relaxed) {
                number if is_new => format!("cost{number}%40example.com"),
                _ => "existing%40example.com".to_owned(),
            };
            let body = format!("email={email}&first_name=Jane&last_name=Doe");
            let (headers, call) = ([("Content-Type", FORM)], target(SPACES_HOOK));
            let began = Instant::now();
            let answer = http::request(address, "POST", &call, &headers, body.as_bytes()).await;
            took.push(began.elapsed().as_secs_f64() * 1e3);
            let answer = answer.unwrap();
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        took
    };
    join_all((0..callers).map(|_| caller())).await.concat()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The answer of PHP, and what it is waited for, does not count: only what the shadow adds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement: make shadow-run"]
async fn a_caller_waits_for_the_computation_and_little_else() {
    let (site, installation) = community().await;
    let php = WebServer::start(installation.root()).await;
    let sidecar = shadow(&site, php.address).await;
    let mut slow = Vec::new();
    for (kind, is_new) in [("known member", false), ("new user", true)] {
        for callers in [1, 8] {
            let (mut direct, mut shadowed) = (Vec::new(), Vec::new());
            let last = "SELECT COALESCE(MAX(id), 0) FROM wp_fcom_sidecar_shadow";
            let last = site.number(last).await;
            for _ in 0..ROUNDS {
                direct.extend(round(php.address, callers, is_new).await);
                shadowed.extend(round(sidecar.client.public, callers, is_new).await);
                until("the comparisons do not end", async || {
                    let open = "SELECT COUNT(*) FROM wp_fcom_sidecar_shadow WHERE ended_at IS NULL";
                    site.number(open).await == 0
                })
                .await;
            }
            let sql =
                format!("SELECT AVG(sidecar_ms) FROM wp_fcom_sidecar_shadow WHERE id > {last}");
            let plan: f64 = site.column(&sql).await.concat().parse().unwrap();
            let (direct, shadowed) = (median(direct), median(shadowed));
            let added = shadowed - direct;
            eprintln!(
                "{kind}, {callers} at once: PHP {direct:.1} ms, in shadow {shadowed:.1} ms; {added:.1} ms more, plan {plan:.1} ms"
            );
            // The report counts whole milliseconds, the rest of them is not in it. Several callers wait for each other's processor
            // time, too: how long depends on the machine.
            if callers == 1 && added > 2.0 * (plan + 1.0) {
                slow.push(kind);
            }
        }
    }
    let unexplained = "SELECT COUNT(*) FROM wp_fcom_sidecar_shadow WHERE verdict = 'unexplained'";
    assert_eq!(site.number(unexplained).await, 0);
    assert!(slow.is_empty(), "{slow:?}");
}
