//! Three nodes of a Galera cluster on private ports.

use std::sync::Arc;

use fcom_sidecar::sample::machine::free_port;
use fcom_sidecar::sample::server::{Options, PrivateServer};

use crate::harness::eventually::until;
use crate::harness::programs;
use crate::harness::site::{Site, server_options};

const PROVIDER: &str = "/usr/lib/galera/libgalera_smm.so";

/// Three nodes with one site. The first is never killed: it starts as the first node of a new cluster.
pub(super) struct Cluster {
    pub(super) nodes: [Site; 3],
}

impl Cluster {
    /// The nodes start with the same data, so that no state transfer is needed. `prepare` is executed on the site.
    pub(super) async fn start(prepare: &str) -> Self {
        programs::file(PROVIDER);
        for copying in ["mariadb-backup", "socat"] {
            programs::program(copying);
        }
        let ports: [u16; 3] = std::array::from_fn(|_| free_port());
        let first = PrivateServer::start(options(0, ports)).await.unwrap();
        let first = Arc::new(first);
        let mut site = Site::on(first.clone(), "71").await;
        site.execute(prepare).await;
        site.last_user = site.number("SELECT MAX(ID) FROM wp_users").await;
        first.stop();
        // The others can join only once the first node runs.
        let copies = [1, 2].map(|node| first.copy(options(node, ports)).unwrap());
        first.restart().await.unwrap();
        synced(&site).await;
        let mut nodes = Vec::new();
        for copy in copies {
            copy.restart().await.unwrap();
            let node = site.at(Arc::new(copy));
            synced(&node).await;
            nodes.push(node);
        }
        nodes.insert(0, site);
        let nodes = nodes.try_into().ok().unwrap();
        Self { nodes }
    }

    /// The number of transactions that failed certification or were aborted by another node's.
    pub(super) async fn conflicts(&self) -> u64 {
        let mut conflicts = 0;
        for node in &self.nodes {
            for name in ["wsrep_local_cert_failures", "wsrep_local_bf_aborts"] {
                conflicts += status(node, name).await.parse::<u64>().unwrap();
            }
        }
        conflicts
    }

    /// Returns once every node shows all commits of all nodes.
    pub(super) async fn catch_up(&self) {
        for node in &self.nodes {
            // One read that waits for the other nodes' commits; later reads need not wait.
            let wait = "SET SESSION wsrep_sync_wait = 15; SELECT COUNT(*) FROM wp_users; SET SESSION wsrep_sync_wait = 0";
            node.execute(wait).await;
        }
    }
}

/// The plugin that turns the provider's options into variables, on by default in newer releases, has no variable for
/// `gmcast.isolate` and locks `wsrep_provider_options`, which holds all of them.
const WITHOUT_PLUGIN: &str = "loose_plugin_wsrep_provider = OFF";

fn options(node: usize, ports: [u16; 3]) -> Options {
    let addresses = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let (own, transfer, increments) = (ports[node], free_port(), free_port());
    let option_file = format!(
        "binlog_format = ROW
innodb_autoinc_lock_mode = 2
wsrep_on = ON
{WITHOUT_PLUGIN}
wsrep_provider = {PROVIDER}
wsrep_cluster_name = sidecar
wsrep_cluster_address = gcomm://{addresses}
wsrep_node_name = node{node}
wsrep_node_address = 127.0.0.1:{own}
wsrep_sst_method = mariabackup
wsrep_sst_auth = root:
wsrep_sst_receive_address = 127.0.0.1:{transfer}
wsrep_provider_options = \"gmcast.listen_addr=tcp://127.0.0.1:{own};ist.recv_addr=127.0.0.1:{increments};gcache.size=16M;\
gmcast.time_wait=PT1S;evs.suspect_timeout=PT3S;evs.inactive_timeout=PT5S;evs.install_timeout=PT5S;pc.recovery=false\"
[sst]
sst-syslog = -1
sst-log-archive = 0"
    );
    Options {
        option_file,
        arguments: (node == 0)
            .then(|| "--wsrep-new-cluster".to_owned())
            .into_iter()
            .collect(),
        ..server_options()
    }
}

/// Waits until a node is in sync with the others.
pub(super) async fn synced(node: &Site) {
    until("a node does not join", async || {
        status(node, "wsrep_local_state_comment").await == "Synced"
            && status(node, "wsrep_ready").await == "ON"
    })
    .await;
}

/// A status variable; empty if the node does not answer.
pub(super) async fn status(node: &Site, name: &str) -> String {
    let sql = format!("SHOW STATUS LIKE '{name}'");
    let row = sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
        .fetch_one(node.pool())
        .await;
    row.map_or_else(
        |_| String::new(),
        |row| sqlx::Row::try_get_unchecked(&row, 1).unwrap(),
    )
}
