//! An instance at each member of a MySQL replication group, and instances that follow its primary. `make matrix` runs these
//! tests with the MySQL server that `FCOM_TEST_SERVER` names; everywhere else they are ignored.

mod group;

use futures_util::future::join_all;

use self::group::{Group, Primaries, becomes_primary, expel, freeze, join, thaw};
use crate::harness::check_report;
use crate::harness::client::Client;
use crate::harness::invariants;
use crate::harness::nodes::{self, Load};
use crate::harness::router::Router;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, Site};

/// A call that must not be executed.
async fn refused(client: &Client) {
    let refused = client.call(PLAIN_HOOK, &[("email", "refused@example.com")]);
    let refused = refused.await;
    assert_eq!(refused.status, 503, "{}", refused.text());
}

async fn check_says(node: &Site, status: &str, found: &str) {
    let report = check_report::check(node).await;
    report.assert("cluster", status, found);
}

/// The third member alone: it refuses calls, says why, and recovers as soon as the others return.
async fn without_majority(nodes: &[Site; 3], client: &Client, load: &Load) {
    freeze(&nodes[..2]);
    client.readiness_becomes(503).await;
    refused(client).await;
    check_says(&nodes[2], "failed", "without a majority").await;
    thaw(&nodes[..2]);
    client.readiness_becomes(200).await;
    load.succeed(&[0, 1, 2], 10, "the majority is back").await;
}

/// The third member leaves the others, which got its transactions but could not answer, and commit them later.
async fn expelled(nodes: &[Site; 3], client: &Client, load: &Load) {
    let timeout = "group_replication_unreachable_majority_timeout";
    let node = &nodes[2];
    node.execute(&format!("SET GLOBAL {timeout} = 2")).await;
    freeze(&nodes[..2]);
    let state = "SELECT COUNT(*) FROM performance_schema.replication_group_members WHERE MEMBER_STATE = 'ERROR'";
    node.comes(state).await;
    client.readiness_becomes(503).await;
    check_says(node, "failed", "after an error").await;
    thaw(&nodes[..2]);
    load.succeed(&[0, 1], 10, "a member has left").await;
    node.execute(&format!("SET GLOBAL {timeout} = 0")).await;
    join(node).await;
    client.readiness_becomes(200).await;
    load.succeed(&[0, 1, 2], 5, "the member is back").await;
}

/// The third member is killed. When it runs again it takes writes, but belongs to nothing.
async fn killed(nodes: &[Site; 3], client: &Client, load: &Load) {
    let node = &nodes[2];
    node.server.kill();
    load.succeed(&[0, 1], 10, "a member was killed").await;
    expel(&[&nodes[0], &nodes[1]]).await;
    node.server.restart().await.unwrap();
    load.succeed(&[0, 1], 10, "it runs again").await;
    client.readiness_becomes(503).await;
    refused(client).await;
    check_says(node, "failed", "OFFLINE").await;
    join(node).await;
    client.readiness_becomes(200).await;
    load.succeed(&[0, 1, 2], 5, "the member has joined").await;
}

async fn assert_all_holds(group: &Group) {
    group.catch_up().await;
    for node in &group.nodes {
        invariants::wait_for_tally(node).await;
        invariants::assert_hold(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MySQL: make matrix"]
async fn the_same_holds_on_the_three_primaries_of_a_replication_group() {
    let group = Group::start(Primaries::Several, &nodes::old_users()).await;
    let nodes = &group.nodes;
    let sidecars = nodes::start_everywhere(nodes).await;
    let clients: Vec<Client> = sidecars.iter().map(|one| one.client.clone()).collect();

    nodes::collide(&clients).await;
    // The group compares names as the column does.
    for n in 0..10 {
        let spellings = [format!("Zoë{n}"), format!("zoe{n}"), format!("ZOE{n}")];
        let calls = clients.iter().zip(&spellings).map(|(client, login)| {
            let email = format!("{}@example.com", login.to_lowercase().replace('ë', "e"));
            let fields = [("email", email), ("user_login", login.clone())];
            async move {
                let fields = fields
                    .each_ref()
                    .map(|(name, value)| (*name, value.as_str()));
                client.execute(MEMBERS_HOOK, &fields).await
            }
        });
        let users = join_all(calls).await;
        assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
    }
    assert!(group.conflicts().await > 0, "the calls never collided");
    assert_all_holds(&group).await;
    check_says(&nodes[1], "ok", "several primaries, 3 members").await;

    let load = Load::start(&clients);
    load.succeed(&[0, 1, 2], 5, "before").await;
    without_majority(nodes, &clients[2], &load).await;
    expelled(nodes, &clients[2], &load).await;
    killed(nodes, &clients[2], &load).await;
    load.succeed(&[], 0, "the end").await;
    let answers = load.end().await;
    // A count of users that could not be written is written with the next one.
    nodes::everywhere(&clients, PLAIN_HOOK, "last@example.com").await;
    assert_all_holds(&group).await;
    for node in nodes {
        answers.assert_kept(node).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs MySQL: make matrix"]
async fn calls_follow_the_primary_of_a_replication_group() {
    let group = Group::start(Primaries::One, &nodes::old_users()).await;
    let [first, second, third] = &group.nodes;
    check_says(first, "ok", "a single primary, 3 members").await;
    let router = Router::to(first).await;
    let url = router.url(first);
    let environment = [
        ("FCOM_SIDECAR__DATABASE__URL", url.as_str()),
        ("FCOM_SIDECAR__DATABASE__LOCK_WAIT_TIMEOUT_SECONDS", "3"),
    ];
    let followers = [
        Sidecar::start_with(first, &environment).await,
        Sidecar::start_with(first, &environment).await,
    ];
    // An instance that leads to a secondary waits until that is the primary.
    let waiting = Sidecar::start_unready(second).await;
    waiting
        .says("is a secondary; the primary is 127.0.0.1:")
        .await;
    refused(&waiting.client).await;
    check_says(
        second,
        "failed",
        "is a secondary; the primary is 127.0.0.1:",
    )
    .await;

    let clients: Vec<Client> = followers.iter().map(|one| one.client.clone()).collect();
    let load = Load::start(&clients);
    load.succeed(&[0, 1], 20, "before").await;
    first.server.kill();
    expel(&[second, third]).await;
    becomes_primary(second).await;
    router.lead_to(second);
    load.succeed(&[0, 1], 20, "the primary was killed").await;
    waiting.client.readiness_becomes(200).await;

    first.server.restart().await.unwrap();
    let stray = Sidecar::start_unready(first).await;
    refused(&stray.client).await;
    check_says(first, "failed", "OFFLINE").await;
    join(first).await;
    check_says(first, "failed", "is a secondary").await;
    load.succeed(&[0, 1], 10, "the old primary has joined")
        .await;

    let answers = load.end().await;
    assert_all_holds(&group).await;
    for node in &group.nodes {
        answers.assert_kept(node).await;
    }
}
