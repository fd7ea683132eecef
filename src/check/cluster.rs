//! Checks whether the server is part of a cluster, and the cluster's requirements.

use super::report::Finding;
use crate::db::{Cluster, Connection, NoWrites};

pub(super) const CLUSTER: &str = "cluster";

/// A smaller cluster loses its majority when it loses a node.
const FEWEST_NODES: usize = 3;

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
    if let Some(NoWrites { found, remedy }) = cluster.no_writes() {
        return Finding::failed(CLUSTER, format!("{found}; calls get 503"), remedy);
    }
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
    let found = cluster.galera();
    let state = cluster.value("wsrep_local_state_comment");
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
    let size = cluster.value("wsrep_cluster_size").parse();
    if size.is_ok_and(|size: usize| size < FEWEST_NODES) {
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
    let (members, is_single) = (cluster.members(), cluster.has_single_primary());
    let primaries = if is_single {
        "a single primary"
    } else {
        "several primaries"
    };
    let mut found = format!("Group Replication with {primaries}");
    if !members.is_empty() {
        found = format!("{found}, {} members", members.len());
    }
    if is_single && cluster.value("group_replication_consistency") == "EVENTUAL" {
        return Finding::warning(
            CLUSTER,
            format!(
                "{found}: after a failover, the new primary takes calls before it has what the old one committed"
            ),
            "SET PERSIST group_replication_consistency = 'BEFORE_ON_PRIMARY_FAILOVER' on every member",
        );
    }
    if let Some(other) = members.iter().find(|member| !member.is_online()) {
        return Finding::warning(
            CLUSTER,
            format!("{found}: {} is {}", other.address, other.state),
            "bring that member back: the group stops when it loses its majority",
        );
    }
    if (1..FEWEST_NODES).contains(&members.len()) {
        return Finding::warning(
            CLUSTER,
            format!("{found}: when one more is lost without a farewell, the rest stops"),
            "let the group have three members",
        );
    }
    let means = if is_single {
        "the same holds as for one server"
    } else {
        "instances at several members are safe, since a conflict at commit repeats the call; with all calls at one member there is \
         none"
    };
    let unseen = if members.is_empty() {
        " (GRANT SELECT ON performance_schema.replication_group_members shows the other members here)"
    } else {
        ""
    };
    Finding::ok(CLUSTER, format!("{found}: {means}{unseen}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::Member;

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
            ([name, single], "Ok", "GRANT SELECT"),
            ([name, several], "Ok", "several primaries"),
        ] {
            assert_is(&Cluster::from(said), judged, found);
        }
        let secondary = Cluster::from([name, single, ("super_read_only", "ON")]);
        assert_is(&secondary, "Failed", "super_read_only");
    }

    #[test]
    fn a_replication_group_is_judged_by_its_members() {
        let single = [
            ("group_replication_group_name", "aaaa-bbbb"),
            ("group_replication_single_primary_mode", "ON"),
            (
                "group_replication_consistency",
                "BEFORE_ON_PRIMARY_FAILOVER",
            ),
        ];
        for (states, judged, found) in [
            (
                &["ONLINE", "ONLINE", "ONLINE"][..],
                "Ok",
                "3 members: the same",
            ),
            (&["ONLINE", "ONLINE"], "Warning", "three members"),
            (
                &["ONLINE", "ONLINE", "RECOVERING"],
                "Warning",
                "db:3308 is RECOVERING",
            ),
            (
                &["ONLINE", "ONLINE", "UNREACHABLE"],
                "Warning",
                "db:3308 is UNREACHABLE",
            ),
            (
                &["ONLINE", "UNREACHABLE", "UNREACHABLE"],
                "Failed",
                "majority",
            ),
            (&["RECOVERING", "ONLINE", "ONLINE"], "Failed", "503"),
        ] {
            let members = states.iter().zip(3306..).map(|(state, port)| Member {
                is_this: port == 3306,
                address: format!("db:{port}"),
                state: (*state).to_owned(),
                role: String::new(),
            });
            let cluster = Cluster::from(single).with_members(members.collect());
            assert_is(&cluster, judged, found);
        }
        let [name, single, (consistency, _)] = single;
        let eventual = Cluster::from([name, single, (consistency, "EVENTUAL")]);
        assert_is(&eventual, "Warning", "BEFORE_ON_PRIMARY_FAILOVER");
    }
}
