//! Detects whether the server is one of several: a Galera node, a member of a replication group, or a replica.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, Row};

use super::{Connection, DatabaseError, Doing};

const VARIABLES: &str = include_str!("../../sql/checks/cluster_variables.sql");
const STATUS: &str = include_str!("../../sql/checks/cluster_status.sql");

/// The server's cluster variables, by their names in lower case.
#[derive(Clone, Debug, Default)]
pub struct Cluster(BTreeMap<String, String>);

impl Cluster {
    /// Reads the variables from the server.
    ///
    /// # Errors
    /// The query failed.
    pub async fn read(connection: &mut Connection) -> Result<Self, DatabaseError> {
        const DOING: &str = "ask the server whether it is one of several";
        let mut said = BTreeMap::new();
        for sql in [VARIABLES, STATUS] {
            // Sound: both are files of this crate.
            let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut *connection);
            for row in rows.await.doing(DOING)? {
                let name: String = row.try_get_unchecked(0).doing(DOING)?;
                let value: String = row.try_get_unchecked(1).doing(DOING)?;
                said.insert(name.to_ascii_lowercase(), value);
            }
        }
        Ok(Self(said))
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

    /// The value of a variable, as the server spells it; empty if the server does not know the variable.
    pub fn value(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Whether a variable is on.
    pub fn is_on(&self, name: &str) -> bool {
        matches!(self.value(name), "ON" | "1" | "YES" | "TRUE")
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Cluster {
    fn from(said: [(&str, &str); N]) -> Self {
        let owned = said.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(owned.into())
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
