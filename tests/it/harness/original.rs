//! Restores a site to its fixture between the recorded cases, faster than loading it again.

use std::collections::BTreeMap;

use crate::harness::site::Site;

/// The tables that a call writes. They are always restored, because a rolled-back transaction advances their next id
/// without changing a row.
const WRITTEN: [&str; 6] = [
    "wp_users",
    "wp_usermeta",
    "wp_options",
    "wp_fcom_meta",
    "wp_fcom_xprofile",
    "wp_fcom_space_user",
];

/// Own tables whose rows belong to a single case.
const OWN: [&str; 2] = ["wp_fcom_sidecar_runs", "wp_fcom_sidecar_mail"];

/// A second database with the site's fixture, which stays unchanged.
pub(crate) struct Original {
    database: String,
    next_ids: BTreeMap<String, String>,
}

impl Original {
    /// Loads the copy.
    pub(crate) async fn of(site: &Site) -> Self {
        let database = format!("{}_original", site.database);
        site.load_copy(&database).await;
        let sql = format!(
            "SELECT table_name, auto_increment FROM information_schema.tables \
             WHERE table_schema = '{database}' AND auto_increment IS NOT NULL"
        );
        let rows = site.rows(&sql).await;
        let next_ids = rows
            .into_iter()
            .map(|row| <[_; 2]>::try_from(row).unwrap().map(Option::unwrap).into())
            .collect();
        Self { database, next_ids }
    }

    /// Restores the rows and next ids of the tables that calls write, and of those in `changed`.
    pub(crate) async fn restore(&self, site: &Site, changed: impl Iterator<Item = &String>) {
        let more = changed
            .map(String::as_str)
            .filter(|one| !WRITTEN.contains(one));
        let tables: Vec<&str> = WRITTEN.into_iter().chain(more).collect();
        let database = &self.database;
        let mut sql: String = OWN.map(|table| format!("DELETE FROM {table};")).concat();
        for table in &tables {
            let copy = format!("INSERT INTO {table} SELECT * FROM {database}.{table};");
            sql.push_str(&format!("DELETE FROM {table}; {copy}"));
        }
        let mut tries = 1;
        // The mail worker may hold a lock on one of these rows.
        while let Err(error) = site.try_transaction(&sql).await {
            assert!(tries < 5, "restore the fixture: {error}");
            tries += 1;
        }
        for table in tables {
            let next_id = &self.next_ids[table];
            site.execute(&format!("ALTER TABLE {table} AUTO_INCREMENT = {next_id}"))
                .await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::snapshot::Snapshot;

    #[tokio::test]
    async fn a_restored_site_has_the_rows_and_next_ids_of_its_fixture() {
        let site = Site::new("71").await;
        site.execute(
            "CREATE TABLE wp_fcom_sidecar_runs (id bigint); CREATE TABLE wp_fcom_sidecar_mail (id bigint)",
        )
        .await;
        let original = Original::of(&site).await;
        let before = Snapshot::take(&site).await;
        let insert = "INSERT INTO wp_users (user_login) VALUES ('x')";
        site.execute(&format!("BEGIN; {insert}; ROLLBACK; {insert}"))
            .await;
        site.execute("UPDATE wp_options SET option_value = 'x'; DELETE FROM wp_fcom_spaces")
            .await;
        let diff = before.diff(&Snapshot::take(&site).await);
        assert_eq!(diff["wp_users"]["inserted"][0]["ID"], 14);
        assert_eq!(diff.keys().len(), 3);

        original.restore(&site, diff.keys()).await;
        assert!(before.diff(&Snapshot::take(&site).await).is_empty());
        site.execute(insert).await;
        assert_eq!(site.number("SELECT MAX(ID) FROM wp_users").await, 13);
    }
}
