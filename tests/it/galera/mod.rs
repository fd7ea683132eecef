//! An instance on each node of a Galera cluster. Locks are local to a node, so colliding calls are kept apart because
//! they write a common row, and a call that loses at its commit is retried.
//!
//! `FCOM_TORTURE_ROUNDS` kills and isolates nodes more often.

mod cluster;

use futures_util::future::join_all;

use self::cluster::{Cluster, synced};
use crate::harness::check_report;
use crate::harness::client::Client;
use crate::harness::environment::setting;
use crate::harness::invariants;
use crate::harness::nodes::{self, Load};
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site};

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
    let cluster = Cluster::start(&nodes::old_users()).await;
    let nodes = &cluster.nodes;
    let sidecars = nodes::start_everywhere(nodes).await;
    let clients: Vec<Client> = sidecars.iter().map(|one| one.client.clone()).collect();

    nodes::collide(&clients).await;
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
    let answers = load.end().await;
    // A count of users that could not be written is written with the next one.
    nodes::everywhere(&clients, PLAIN_HOOK, "last@example.com").await;
    cluster.catch_up().await;
    for node in nodes {
        invariants::wait_for_tally(node).await;
        invariants::assert_hold(node).await;
        answers.assert_kept(node).await;
    }
}

/// Each node numbers users with its own steps. Own tables are mended by all nodes at once, without a common lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_node_passes_leftover_ids_and_mends_own_tables() {
    let cluster = Cluster::start(&nodes::old_users()).await;
    let sidecars = nodes::start_everywhere(&cluster.nodes).await;
    let nodes = &cluster.nodes;
    let last = nodes[0].number("SELECT MAX(ID) FROM wp_users").await;
    nodes[0]
        .execute(&format!(
            "INSERT INTO wp_fcom_space_user (space_id, user_id, role)
                SELECT 5, {last} + seq, 'admin' FROM seq_1_to_300"
        ))
        .await;
    cluster.catch_up().await;
    // The daemons have seen that no further id is free.
    for sidecar in &sidecars {
        sidecar.says(&format!("the ids up to {last}:")).await;
    }
    let calls = (0..30).map(|n| {
        let client = &sidecars[n % 3].client;
        async move {
            let email = format!("new{n}@example.com");
            client.execute(SPACES_HOOK, &[("email", &email)]).await
        }
    });
    let ids = join_all(calls).await;
    assert!(ids.iter().all(|id| *id > last + 300), "{ids:?}");
    cluster.catch_up().await;
    let inherited = "SELECT COUNT(*) FROM wp_users u JOIN wp_fcom_space_user m \
        ON m.user_id = CONCAT(u.ID) AND m.space_id = 5 WHERE u.user_email LIKE 'new%'";
    let skipped = format!("SELECT COUNT(*) FROM wp_users WHERE ID > {last} AND ID <= {last} + 300");
    for node in nodes {
        assert_eq!(node.number(inherited).await, 0);
        assert_eq!(node.number(&skipped).await, 0);
    }

    let columns = r"SELECT table_name, column_name FROM information_schema.columns
        WHERE table_schema = DATABASE() AND table_name LIKE 'wp\_fcom\_sidecar\_%' ORDER BY 1, 2";
    let whole = nodes[0].rows(columns).await;
    nodes[0]
        .execute(
            "DROP TABLE wp_fcom_sidecar_old_keys; ALTER TABLE wp_fcom_sidecar_runs DROP COLUMN changes",
        )
        .await;
    std::thread::scope(|scope| {
        let runs: Vec<_> = sidecars
            .iter()
            .map(|one| scope.spawn(|| one.run(&["migrate"])))
            .collect();
        for (run, sidecar) in runs.into_iter().zip(&sidecars) {
            assert!(run.join().unwrap().success(), "{}", sidecar.log());
        }
    });
    cluster.catch_up().await;
    for node in nodes {
        assert_eq!(node.rows(columns).await, whole);
    }
}
