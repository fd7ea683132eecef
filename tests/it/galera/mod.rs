//! An instance on each node of a Galera cluster. Locks are local to a node, so colliding calls are kept apart because
//! they write a common row, and a call that loses at its commit is retried.
//!
//! `FCOM_TORTURE_ROUNDS` kills and isolates nodes more often.

mod cluster;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;

use self::cluster::{Cluster, synced};
use crate::harness::check_report;
use crate::harness::client::Client;
use crate::harness::environment::setting;
use crate::harness::eventually::{time_passes, until};
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, SPACES_HOOK, Site};

/// Users that existed before the sidecar; every other one has a profile.
const OLD_USERS: u32 = 24;

fn old_users() -> String {
    format!(
        "INSERT INTO wp_users (user_login, user_nicename, user_email, display_name)
            SELECT CONCAT('old', seq), CONCAT('old', seq), CONCAT('old', seq, '@example.com'), 'Old' FROM seq_1_to_{OLD_USERS};
        INSERT INTO wp_fcom_xprofile (user_id, username)
            SELECT ID, user_login FROM wp_users WHERE user_login LIKE 'old%' AND ID % 2"
    )
}

/// Instances that start concurrently, one per node, before any of their tables exist.
async fn start_everywhere(cluster: &Cluster) -> Vec<Sidecar> {
    let mut sidecars = Vec::new();
    for node in &cluster.nodes {
        let lock_wait = ("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "3");
        sidecars.push(Sidecar::unstarted(node, &[lock_wait]).await);
    }
    for sidecar in &mut sidecars {
        sidecar.spawn();
    }
    for sidecar in &mut sidecars {
        assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    }
    sidecars
}

/// Concurrent calls for one address at every node; all are executed, for one user.
async fn everywhere(clients: &[Client], hook: &str, email: &str) -> u64 {
    let fields = [("email", email)];
    let calls = clients.iter().map(|client| client.execute(hook, &fields));
    let users = join_all(calls).await;
    assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
    users[0]
}

/// Calls at every node until stopped; errors of a node that is down are ignored.
struct Load {
    tasks: JoinSet<Vec<(String, u64)>>,
    answered: [Arc<AtomicU32>; 3],
    stop: Arc<AtomicBool>,
    started: Instant,
}

impl Load {
    fn start(clients: &[Client]) -> Self {
        let mut load = Self {
            tasks: JoinSet::new(),
            answered: Default::default(),
            stop: Arc::default(),
            started: Instant::now(),
        };
        for caller in 0..2 {
            for (node, client) in clients.iter().enumerate() {
                let (client, stop) = (client.clone(), load.stop.clone());
                let answered = load.answered[node].clone();
                load.tasks.spawn(async move {
                    let mut users = Vec::new();
                    let mut call = 0_u32;
                    while !stop.load(Ordering::SeqCst) {
                        call += 1;
                        let email = match call % 6 {
                            0 | 3 => format!("old{}@example.com", call % OLD_USERS + 1),
                            1 | 4 => format!("shared{}@example.com", call / 9),
                            2 => format!("sam@d{caller}{node}{call}.example.com"),
                            _ => format!("u{caller}{node}{call}@example.com"),
                        };
                        let hook = [MEMBERS_HOOK, SPACES_HOOK][call as usize % 2];
                        match client.try_call(hook, &[("email", &email)]).await {
                            Ok(response) if response.status == 200 => {
                                let user = response.json()["user_id"].as_u64().unwrap();
                                users.push((email, user));
                                answered.fetch_add(1, Ordering::SeqCst);
                            }
                            Ok(response) => {
                                assert_eq!(response.status, 503, "{}", response.text());
                                assert!(response.header("retry-after").is_some());
                            }
                            Err(error) => panic!("{error}"),
                        }
                        time_passes(Duration::from_millis(50)).await;
                    }
                    users
                });
            }
        }
        load
    }

    /// Waits until each of these nodes has answered this many more calls.
    async fn succeed(&self, nodes: &[usize], calls: u32, what: &str) {
        // Shown if the test fails.
        eprintln!("{:.1?}: {what}", self.started.elapsed());
        for &node in nodes {
            let answered = &self.answered[node];
            let wanted = answered.load(Ordering::SeqCst) + calls;
            let none = format!("{what}: none at node {node}");
            until(&none, async || answered.load(Ordering::SeqCst) >= wanted).await;
        }
    }

    async fn end(self) -> BTreeMap<String, u64> {
        self.stop.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.into_iter().flatten().collect()
    }
}

/// An isolated node refuses calls, says why, and recovers as soon as the others return.
async fn isolate(nodes: &[Site; 3], client: &Client, load: &Load) {
    let node = &nodes[2];
    let isolate =
        |isolated: u8| format!("SET GLOBAL wsrep_provider_options = 'gmcast.isolate={isolated}'");
    node.execute(&isolate(1)).await;
    client.readiness_becomes(503).await;
    let refused = client.call(PLAIN_HOOK, &[("email", "refused@example.com")]);
    let refused = refused.await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    // Secrets are read from a node that answers.
    check_report::check_with(&nodes[0], &node.url(), &[])
        .await
        .assert("cluster", "failed", "calls get 503");
    load.succeed(&[0, 1], 10, "a node is alone").await;
    node.execute(&isolate(0)).await;
    synced(node).await;
    client.readiness_becomes(200).await;
    load.succeed(&[0, 1, 2], 10, "the node is back").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_on_the_three_nodes_of_a_galera_cluster() {
    let cluster = Cluster::start(&old_users()).await;
    let nodes = &cluster.nodes;
    let sidecars = start_everywhere(&cluster).await;
    let clients: Vec<Client> = sidecars.iter().map(|one| one.client.clone()).collect();

    // Known and new users, at every node concurrently.
    for batch in 0..OLD_USERS / 4 {
        let calls = (1..=4).flat_map(|n| {
            let (clients, n) = (&clients, batch * 4 + n);
            let known = (SPACES_HOOK, format!("old{n}@example.com"));
            let new = (MEMBERS_HOOK, format!("new{n}@example.com"));
            [known, new].map(|(hook, email)| async move { everywhere(clients, hook, &email).await })
        });
        join_all(calls).await;
    }
    assert!(cluster.conflicts().await > 0, "the calls never collided");
    cluster.catch_up().await;
    for node in nodes {
        invariants::wait_for_tally(node).await;
        invariants::assert_hold(node).await;
    }
    check_report::check(&nodes[1])
        .await
        .assert("cluster", "ok", "3 nodes");

    let load = Load::start(&clients);
    for _ in 0..setting("FCOM_TORTURE_ROUNDS", || 1_u32).div_ceil(10) {
        load.succeed(&[0, 1, 2], 5, "before").await;
        isolate(nodes, &clients[2], &load).await;

        nodes[2].server.kill();
        load.succeed(&[0, 1], 10, "a node was killed").await;
        let joins = async {
            nodes[2].server.restart().await.unwrap();
            synced(&nodes[2]).await;
        };
        tokio::join!(joins, load.succeed(&[0, 1], 20, "a node joins"));
        load.succeed(&[0, 1, 2], 5, "the node has joined").await;
    }
    load.succeed(&[], 0, "the end").await;
    let answered = load.end().await;
    // A count of users that could not be written is written with the next one.
    let last = everywhere(&clients, PLAIN_HOOK, "last@example.com").await;
    cluster.catch_up().await;
    for node in nodes {
        invariants::wait_for_tally(node).await;
        invariants::assert_hold(node).await;
        let rows = node.rows("SELECT user_email, ID FROM wp_users").await;
        let users: BTreeMap<String, String> = rows
            .into_iter()
            .map(|row| <[_; 2]>::try_from(row).unwrap().map(Option::unwrap).into())
            .collect();
        assert_eq!(users["last@example.com"], last.to_string());
        for (email, user) in &answered {
            assert_eq!(users.get(email), Some(&user.to_string()), "{email}");
        }
    }
}
