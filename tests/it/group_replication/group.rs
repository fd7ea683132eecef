//! Three members of a MySQL replication group on private ports.

use std::process::Command;
use std::sync::Arc;

use fcom_sidecar::sample::machine::free_port;
use fcom_sidecar::sample::server::{Options, PrivateServer};

use crate::harness::eventually::until;
use crate::harness::site::{Site, server_options};

/// For how many seconds the others wait for a member that is silent before they expel it: longer than any test, so that
/// a busy machine costs no member.
const PATIENT: u32 = 3600;

/// How many members take writes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Primaries {
    One,
    Several,
}

/// Three members with one site. The first one founds the group, and the second is the next primary.
pub(super) struct Group {
    pub(super) nodes: [Site; 3],
}

impl Group {
    /// The members start with the same data, so that none has to copy it. `prepare` is executed on the site.
    pub(super) async fn start(primaries: Primaries, prepare: &str) -> Self {
        let ports: [u16; 3] = std::array::from_fn(|_| free_port());
        let first = PrivateServer::start(options(0, ports, primaries)).await;
        let first = Arc::new(first.unwrap());
        let mut site = Site::on(first.clone(), "71").await;
        site.execute(prepare).await;
        site.execute(&format!(
            "CHANGE REPLICATION SOURCE TO SOURCE_USER = 'sidecar', SOURCE_PASSWORD = '{}' FOR CHANNEL 'group_replication_recovery'",
            first.password()
        ))
        .await;
        site.last_user = site.number("SELECT MAX(ID) FROM wp_users").await;
        first.stop();
        let copies = [1, 2].map(|node| first.copy(options(node, ports, primaries)).unwrap());
        first.restart().await.unwrap();
        site.execute(
            "SET GLOBAL group_replication_bootstrap_group = ON; START GROUP_REPLICATION; \
             SET GLOBAL group_replication_bootstrap_group = OFF",
        )
        .await;
        online(&site).await;
        let mut nodes = Vec::new();
        for copy in copies {
            copy.restart().await.unwrap();
            let node = site.at(Arc::new(copy));
            join(&node).await;
            nodes.push(node);
        }
        nodes.insert(0, site);
        let nodes = nodes.try_into().ok().unwrap();
        Self { nodes }
    }

    /// The number of transactions that the group has refused because of another member's.
    pub(super) async fn conflicts(&self) -> u64 {
        let conflicts = "SELECT COUNT_CONFLICTS_DETECTED FROM performance_schema.replication_group_member_stats \
            WHERE MEMBER_ID = @@server_uuid";
        self.nodes[0].number(conflicts).await
    }

    /// Returns once every member shows all commits of all members.
    pub(super) async fn catch_up(&self) {
        for node in &self.nodes {
            // One read that waits for the other members' commits; later reads need not wait.
            node.execute(
                "SET SESSION group_replication_consistency = 'BEFORE'; SELECT COUNT(*) FROM wp_users; \
                 SET SESSION group_replication_consistency = 'EVENTUAL'",
            )
            .await;
        }
    }
}

fn options(node: usize, ports: [u16; 3], primaries: Primaries) -> Options {
    let seeds = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let (own, id, weight) = (ports[node], node + 1, 60 - 10 * node);
    let is = |expected| if primaries == expected { "ON" } else { "OFF" };
    let (single, several) = (is(Primaries::One), is(Primaries::Several));
    // Members neither join nor return by themselves, so that the tests see what is between.
    let option_file = format!(
        "server_id = {id}
gtid_mode = ON
enforce_gtid_consistency = ON
report_host = 127.0.0.1
plugin_load_add = group_replication.so
group_replication_group_name = 5b1c9f64-0a5e-4f0e-8d6c-2f1d0c3a7e11
group_replication_local_address = 127.0.0.1:{own}
group_replication_group_seeds = {seeds}
group_replication_single_primary_mode = {single}
group_replication_enforce_update_everywhere_checks = {several}
group_replication_member_weight = {weight}
group_replication_member_expel_timeout = {PATIENT}
group_replication_recovery_get_public_key = ON
group_replication_start_on_boot = OFF
group_replication_autorejoin_tries = 0"
    );
    Options {
        option_file,
        ..server_options()
    }
}

/// Has a member enter the group, also after an error, and waits until it has caught up.
pub(super) async fn join(node: &Site) {
    let enter = "STOP GROUP_REPLICATION; SET GLOBAL offline_mode = OFF; START GROUP_REPLICATION";
    // Not before the others have noticed that it had left.
    until("a member is not let in", async || {
        node.try_execute(enter).await.is_ok()
    })
    .await;
    online(node).await;
}

async fn online(node: &Site) {
    let online = "SELECT COUNT(*) FROM performance_schema.replication_group_members \
        WHERE MEMBER_ID = @@server_uuid AND MEMBER_STATE = 'ONLINE'";
    until("a member does not join", async || {
        node.number(online).await == 1
    })
    .await;
}

/// Waits until a member is the only one that takes writes.
pub(super) async fn becomes_primary(node: &Site) {
    let primary = "SELECT COUNT(*) FROM performance_schema.replication_group_members \
        WHERE MEMBER_ID = @@server_uuid AND MEMBER_ROLE = 'PRIMARY' AND NOT @@super_read_only";
    until("no primary is elected", async || {
        node.number(primary).await == 1
    })
    .await;
}

/// Has these members, which hear each other, expel all others.
pub(super) async fn expel(nodes: &[&Site]) {
    for node in nodes {
        node.execute("SET GLOBAL group_replication_member_expel_timeout = 0")
            .await;
    }
    let kept = nodes.len() as u64;
    for node in nodes {
        let expels = async || node.number(MEMBERS).await == kept;
        until("no member is expelled", expels).await;
        let patient = format!("SET GLOBAL group_replication_member_expel_timeout = {PATIENT}");
        node.execute(&patient).await;
    }
}

const MEMBERS: &str = "SELECT COUNT(*) FROM performance_schema.replication_group_members";

/// Freezes members: nothing of theirs is lost, but nobody hears from them.
pub(super) fn freeze(nodes: &[Site]) {
    signal(nodes, "-STOP");
}

/// Lets them go on.
pub(super) fn thaw(nodes: &[Site]) {
    signal(nodes, "-CONT");
}

fn signal(nodes: &[Site], signal: &str) {
    for node in nodes {
        let id = node.server.process_id().unwrap().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
    }
}
