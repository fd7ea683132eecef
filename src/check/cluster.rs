//! Checks whether the server is part of a cluster, and the cluster's requirements.

use super::report::Finding;
use crate::db::{Cluster, Connection};

pub(super) const CLUSTER: &str = "cluster";

/// A smaller cluster loses its majority when it loses a node.
const FEWEST_NODES: u32 = 3;

pub(super) async fn check(connection: &mut Connection) -> Finding {
    match Cluster::read(connection).await {
        Ok(cluster) => judge(&cluster),
        Err(error) => Finding::failed(
            CLUSTER,
            error.to_string(),
            "check that database.url leads to a MySQL or MariaDB server",
        ),
    }
}

fn judge(cluster: &Cluster) -> Finding {
    if cluster.is_galera() {
        return galera(cluster);
    }
    let read_only = ["read_only", "super_read_only", "innodb_read_only"];
    if let Some(set) = read_only.into_iter().find(|name| cluster.is_on(name)) {
        return Finding::failed(
            CLUSTER,
            format!("the server is read-only ({set} is set), as a replica is"),
            "let database.url lead to the server that takes writes; a name or a proxy that follows a failover is best",
        );
    }
    if cluster.is_group() {
        return group(cluster);
    }
    Finding::ok(CLUSTER, "none: one server takes the writes")
}

fn galera(cluster: &Cluster) -> Finding {
    let (status, state) = (
        cluster.value("wsrep_cluster_status"),
        cluster.value("wsrep_local_state_comment"),
    );
    let size = cluster.value("wsrep_cluster_size");
    let found = format!("Galera, {size} nodes, this one is {status} and {state}");
    if status != "Primary" || !cluster.is_on("wsrep_ready") {
        return Finding::failed(
            CLUSTER,
            format!("{found}: it takes nothing, calls get 503"),
            "bring the other nodes or the network to them back, or let database.url lead to a node of the majority",
        );
    }
    if !matches!(cluster.value("wsrep_osu_method"), "TOI" | "") {
        return Finding::failed(
            CLUSTER,
            format!("{found}, but wsrep_OSU_method keeps changes of tables on this node"),
            "SET GLOBAL wsrep_OSU_method = 'TOI', so that the sidecar's tables are made on every node",
        );
    }
    if state != "Synced" {
        return Finding::warning(
            CLUSTER,
            format!(
                "{found}: it is behind the others, so calls meet more conflicts and are slower"
            ),
            "wait until it is Synced, or let database.url lead to another node",
        );
    }
    if size.parse().is_ok_and(|size: u32| size < FEWEST_NODES) {
        return Finding::warning(
            CLUSTER,
            format!("{found}: when one more is lost without a farewell, the rest stops"),
            "let the cluster have three nodes, or two and an arbitrator (garbd)",
        );
    }
    Finding::ok(
        CLUSTER,
        format!(
            "{found}: instances at several nodes are safe, since a conflict at commit repeats the call; \
             with all calls at one node there is none"
        ),
    )
}

fn group(cluster: &Cluster) -> Finding {
    if cluster.has_single_primary() {
        return Finding::ok(
            CLUSTER,
            "Group Replication with a single primary: the same holds as for one server",
        );
    }
    Finding::warning(
        CLUSTER,
        "Group Replication with several primaries: calls claim what they write, but the release is not tested there",
        "send all calls to one member, or let the group have a single primary: \
         SELECT group_replication_switch_to_single_primary_mode()",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A healthy node of a Galera cluster.
    const NODE: [(&str, &str); 7] = [
        ("wsrep_on", "ON"),
        ("wsrep_provider", "/usr/lib/galera/libgalera_smm.so"),
        ("wsrep_osu_method", "TOI"),
        ("wsrep_cluster_status", "Primary"),
        ("wsrep_cluster_size", "3"),
        ("wsrep_local_state_comment", "Synced"),
        ("wsrep_ready", "ON"),
    ];

    #[track_caller]
    fn assert_is(cluster: &Cluster, status: &str, found: &str) {
        let said = format!("{:?}", judge(cluster));
        assert!(said.contains(&format!("status: {status}")), "{said}");
        assert!(said.contains(found), "{said}");
    }

    #[test]
    fn a_galera_node_is_judged_by_the_cluster_it_is_in() {
        let (size, state) = ("wsrep_cluster_size", "wsrep_local_state_comment");
        let (status, ready) = ("wsrep_cluster_status", "wsrep_ready");
        for (differs, judged, found) in [
            (&[][..], "Ok", "repeats the call"),
            (&[(size, "5")], "Ok", "5 nodes"),
            (&[(size, "2")], "Warning", "arbitrator"),
            (&[(size, "1")], "Warning", "arbitrator"),
            (&[(state, "Donor/Desynced")], "Warning", "behind"),
            (&[("wsrep_osu_method", "RSU")], "Failed", "TOI"),
            (
                &[(status, "non-Primary"), (ready, "OFF")],
                "Failed",
                "majority",
            ),
            (&[(state, "Joining"), (ready, "OFF")], "Failed", "503"),
        ] {
            let said = NODE.map(|(name, sound)| {
                let differing = differs.iter().find(|(other, _)| *other == name);
                (name, differing.map_or(sound, |(_, value)| value))
            });
            assert_is(&Cluster::from(said), judged, found);
        }
    }

    #[test]
    fn replicas_and_replication_groups_are_told_apart() {
        let name = ("group_replication_group_name", "aaaa-bbbb");
        let single = ("group_replication_single_primary_mode", "ON");
        let several = ("group_replication_single_primary_mode", "OFF");
        for (said, judged, found) in [
            (
                [("read_only", "OFF"), ("super_read_only", "OFF")],
                "Ok",
                "none",
            ),
            (
                [("read_only", "ON"), ("super_read_only", "OFF")],
                "Failed",
                "replica",
            ),
            (
                [("innodb_read_only", "ON"), ("read_only", "OFF")],
                "Failed",
                "innodb_read_only",
            ),
            ([name, single], "Ok", "single primary"),
            ([name, several], "Warning", "several primaries"),
        ] {
            assert_is(&Cluster::from(said), judged, found);
        }
        let secondary = Cluster::from([name, single, ("super_read_only", "ON")]);
        assert_is(&secondary, "Failed", "super_read_only");
    }
}
