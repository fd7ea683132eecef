//! Detects whether the server is one of several (a Galera node, a member of a replication group, or a replica), and
//! whether it must get no writes because of the others.

use sqlx::{AssertSqlSafe, Row};

use super::group::{self, Group, Member};
use super::variables::Variables;
use super::{Connection, DatabaseError, Doing, NoWrites};

const VARIABLES: &str = include_str!("../../sql/checks/cluster_variables.sql");
const STATUS: &str = include_str!("../../sql/checks/cluster_status.sql");

/// What the server says about itself and the others.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    said: Variables,
    members: Vec<Member>,
}

const DOING: &str = "ask the server whether it is one of several";

impl Cluster {
    /// Asks the server.
    ///
    /// # Errors
    /// The query failed.
    pub async fn read(connection: &mut Connection) -> Result<Self, DatabaseError> {
        let mut cluster = Self::default();
        cluster.hear(connection, VARIABLES).await?;
        cluster.hear(connection, STATUS).await?;
        if cluster.is_group() {
            cluster.hear(connection, group::CLOCK).await?;
            cluster.members = group::members(connection).await?;
        }
        Ok(cluster)
    }

    /// Adds the names and values that a query returns.
    async fn hear(
        &mut self,
        connection: &mut Connection,
        sql: &'static str,
    ) -> Result<(), DatabaseError> {
        // Sound: constants of this crate.
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(connection);
        for row in rows.await.doing(DOING)? {
            let name: String = row.try_get_unchecked(0).doing(DOING)?;
            let value: String = row.try_get_unchecked(1).doing(DOING)?;
            self.said.insert(&name, value);
        }
        Ok(())
    }

    /// Why the server must get no writes as long as the others are as they are. Whether it is read-only for another
    /// reason is not judged here: accounts differ in what that keeps them from.
    pub fn no_writes(&self) -> Option<NoWrites> {
        if self.is_galera() {
            self.outside_galera()
        } else if self.is_group() {
            let (said, members) = (&self.said, &self.members[..]);
            Group { said, members }.no_writes()
        } else {
            None
        }
    }

    fn outside_galera(&self) -> Option<NoWrites> {
        let status = self.value("wsrep_cluster_status");
        if status == "Primary" && self.is_on("wsrep_ready") {
            return None;
        }
        Some(NoWrites {
            found: format!("{} and takes nothing", self.galera()),
            remedy: "bring the other nodes or the network to them back, or let database.url lead to a node of the majority",
        })
    }

    /// A Galera node in a few words.
    pub fn galera(&self) -> String {
        let [status, state, size] = [
            "wsrep_cluster_status",
            "wsrep_local_state_comment",
            "wsrep_cluster_size",
        ]
        .map(|name| self.value(name));
        format!("Galera, {size} nodes, this one is {status} and {state}")
    }

    /// Whether other servers accept writes at the same time. They see this one's work only at commit: its rows, not its
    /// locks.
    pub fn has_several_writers(&self) -> bool {
        self.is_galera() || (self.is_group() && !self.has_single_primary())
    }

    /// Whether this is a node of a Galera cluster, even the only one.
    pub fn is_galera(&self) -> bool {
        let provider = self.value("wsrep_provider");
        self.is_on("wsrep_on") && !provider.is_empty() && provider != "none"
    }

    /// Whether this is a member of a `MySQL` replication group.
    pub fn is_group(&self) -> bool {
        !self.value("group_replication_group_name").is_empty()
    }

    /// Whether the group has a single primary.
    pub fn has_single_primary(&self) -> bool {
        self.is_on("group_replication_single_primary_mode")
    }

    /// The members of the replication group; empty if the account may not see them.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The value of a variable, as the server spells it; empty if the server does not know the variable.
    pub fn value(&self, name: &str) -> &str {
        self.said.value(name)
    }

    /// Whether a variable is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.said.is_on(name)
    }

    /// The same with these members.
    #[cfg(test)]
    pub(crate) fn with_members(self, members: Vec<Member>) -> Self {
        Self { members, ..self }
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Cluster {
    fn from(said: [(&str, &str); N]) -> Self {
        Self {
            said: said.into(),
            members: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cluster;

    #[test]
    fn servers_that_share_the_writing_are_told_from_those_that_do_not() {
        let galera = "/usr/lib/galera/libgalera_smm.so";
        let group = ("group_replication_group_name", "aaaa-bbbb");
        let single = "group_replication_single_primary_mode";
        assert!(!Cluster::default().has_several_writers());
        for (said, several) in [
            ([("wsrep_on", "ON"), ("wsrep_provider", galera)], true),
            ([("wsrep_on", "OFF"), ("wsrep_provider", galera)], false),
            // MariaDB without a cluster, as some versions report it.
            ([("wsrep_on", "ON"), ("wsrep_provider", "none")], false),
            ([group, (single, "ON")], false),
            ([group, (single, "OFF")], true),
        ] {
            assert_eq!(
                Cluster::from(said).has_several_writers(),
                several,
                "{said:?}"
            );
        }
    }
}
