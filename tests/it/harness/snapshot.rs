//! The site's tables in memory, and the changes between two moments, in the format of the recordings.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::harness::site::{PREFIX, Site};

/// One row as a JSON object: numbers, texts and nulls as the columns have them, dates as text.
type Row = Map<String, Value>;

struct Table {
    /// By primary key, which is one unsigned number in every table of interest.
    rows: BTreeMap<u64, Row>,
    key: String,
}

/// All tables of WordPress, FluentCommunity and Action Scheduler; the daemon's own are left out.
pub(crate) struct Snapshot {
    tables: BTreeMap<String, Table>,
}

impl Snapshot {
    /// Reads everything, in one transaction.
    pub(crate) async fn take(site: &Site) -> Self {
        let mut tables = BTreeMap::new();
        for (name, columns) in columns(site).await {
            let key = columns.iter().find(|column| column.is_key).unwrap();
            let sql = format!("SELECT * FROM {name} ORDER BY {}", key.name);
            let mut rows = BTreeMap::new();
            for cells in site.rows(&sql).await {
                let row: Row = columns
                    .iter()
                    .zip(cells)
                    .map(|(column, cell)| (column.name.clone(), column.value(cell)))
                    .collect();
                if !is_ignored(&name, &row) {
                    rows.insert(row[&key.name].as_u64().unwrap(), row);
                }
            }
            let key = key.name.clone();
            tables.insert(name, Table { rows, key });
        }
        Self { tables }
    }

    /// The changes between this moment and a later one: per table `inserted`, `updated` and `deleted`, none of them
    /// empty. Rows of `usermeta` omit their id.
    pub(crate) fn diff(&self, later: &Self) -> Map<String, Value> {
        let mut diff = Map::new();
        for (name, table) in &self.tables {
            let changes = table.diff(&later.tables[name], hidden_column(name));
            if !changes.is_empty() {
                diff.insert(name.clone(), Value::Object(changes));
            }
        }
        diff
    }
}

impl Table {
    fn diff(&self, later: &Self, hidden: Option<&str>) -> Map<String, Value> {
        let show = |row: &Row| {
            let mut row = row.clone();
            if let Some(column) = hidden {
                row.shift_remove(column);
            }
            Value::Object(row)
        };
        let inserted: Vec<Value> = later
            .rows
            .iter()
            .filter(|(id, _)| !self.rows.contains_key(id))
            .map(|(_, row)| show(row))
            .collect();
        let mut updated = Vec::new();
        let mut deleted = Vec::new();
        for (id, row) in &self.rows {
            let Some(after) = later.rows.get(id) else {
                deleted.push(show(row));
                continue;
            };
            let changed: Row = row
                .iter()
                .filter(|(column, value)| after[*column] != **value)
                .map(|(column, value)| (column.clone(), json!([value, after[column]])))
                .collect();
            if !changed.is_empty() {
                updated.push(json!({ "key": row[&self.key], "changed": changed }));
            }
        }
        [
            ("inserted", inserted),
            ("updated", updated),
            ("deleted", deleted),
        ]
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .map(|(kind, rows)| (kind.to_owned(), Value::Array(rows)))
        .collect()
    }
}

struct Column {
    name: String,
    is_number: bool,
    is_key: bool,
}

impl Column {
    fn value(&self, cell: Option<String>) -> Value {
        match cell {
            None => Value::Null,
            Some(text) if self.is_number => serde_json::from_str(&text).unwrap(),
            Some(text) => Value::String(text),
        }
    }
}

async fn columns(site: &Site) -> BTreeMap<String, Vec<Column>> {
    let sql = format!(
        r"SELECT table_name, column_name, data_type, column_key FROM information_schema.columns
          WHERE table_schema = DATABASE() AND table_name NOT LIKE '{}fcom\_sidecar\_%'
          ORDER BY table_name, ordinal_position",
        PREFIX.replace('_', r"\_")
    );
    let mut tables: BTreeMap<String, Vec<Column>> = BTreeMap::new();
    for row in site.rows(&sql).await {
        let [table, name, kind, key] = <[_; 4]>::try_from(row).unwrap().map(Option::unwrap);
        tables.entry(table).or_default().push(Column {
            name,
            is_number: kind.ends_with("int") || kind == "double",
            is_key: key == "PRI",
        });
    }
    tables
}

/// Options that the recordings leave out, because any request may touch them.
fn is_ignored(table: &str, row: &Row) -> bool {
    let Some(name) = row.get("option_name").and_then(Value::as_str) else {
        return false;
    };
    table == "wp_options"
        && (name.starts_with("_transient_")
            || name.starts_with("_site_transient_")
            || name == "cron"
            || name == "rewrite_rules")
}

/// PHP deletes and re-adds rows of this table, so their ids differ from ours, and nothing refers to them.
fn hidden_column(table: &str) -> Option<&'static str> {
    (table == "wp_usermeta").then_some("umeta_id")
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn diff_of(sql: &str) -> Value {
        let site = Site::new("71").await;
        let before = Snapshot::take(&site).await;
        site.execute(sql).await;
        Value::Object(before.diff(&Snapshot::take(&site).await))
    }

    #[tokio::test]
    async fn inserted_rows_have_the_types_of_the_recordings() {
        let diff = diff_of(
            "INSERT INTO wp_users (user_login, user_registered) VALUES ('néw', '2026-01-02 03:04:05'); \
             INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (13, 'a', ''), (13, 'b', NULL); \
             INSERT INTO wp_fcom_space_user (space_id, user_id, created_at) VALUES (5, 13, '2026-07-08 09:10:11')",
        )
        .await;
        let expected = json!({
            "wp_users": { "inserted": [{
                "ID": 13, "user_login": "néw", "user_pass": "", "user_nicename": "", "user_email": "", "user_url": "",
                "user_registered": "2026-01-02 03:04:05", "user_activation_key": "", "user_status": 0,
                "display_name": "",
            }] },
            "wp_usermeta": { "inserted": [
                { "user_id": 13, "meta_key": "a", "meta_value": "" },
                { "user_id": 13, "meta_key": "b", "meta_value": null },
            ] },
            "wp_fcom_space_user": { "inserted": [{
                "id": 11, "space_id": 5, "user_id": "13", "status": "active", "role": "member", "meta": null,
                "created_at": "2026-07-08 09:10:11", "updated_at": null,
            }] },
        });
        assert_eq!(diff, expected);
    }

    #[tokio::test]
    async fn updates_name_the_key_and_only_what_changed() {
        let diff = diff_of(
            "UPDATE wp_fcom_space_user SET status = 'active' WHERE user_id = '7'; \
             DELETE FROM wp_fcom_space_user WHERE id = 1; \
             UPDATE wp_options SET option_value = '13' WHERE option_name = 'user_count'",
        )
        .await;
        let expected = json!({
            "wp_fcom_space_user": {
                "updated": [
                    { "key": 4, "changed": { "status": ["pending", "active"] } },
                    { "key": 6, "changed": { "status": ["pending", "active"] } },
                ],
                "deleted": [{
                    "id": 1, "space_id": 1, "user_id": "7", "status": "active", "role": "member", "meta": null,
                    "created_at": "2026-11-23 06:51:38", "updated_at": "2026-11-23 06:51:38",
                }],
            },
            "wp_options": { "updated": [{ "key": 105, "changed": { "option_value": ["12", "13"] } }] },
        });
        assert_eq!(diff, expected);
    }

    #[tokio::test]
    async fn transients_schedules_and_own_tables_do_not_count() {
        let diff = diff_of(
            "INSERT INTO wp_options (option_name, option_value) VALUES ('_transient_x', '1'), ('_site_transient_x', '1'); \
             REPLACE INTO wp_options (option_name, option_value) VALUES ('cron', '1'), ('rewrite_rules', '1'); \
             CREATE TABLE wp_fcom_sidecar_runs (id bigint PRIMARY KEY); INSERT INTO wp_fcom_sidecar_runs VALUES (1)",
        )
        .await;
        assert_eq!(diff, json!({}));
    }

    #[tokio::test]
    async fn zero_dates_and_nul_bytes_of_action_scheduler_are_read() {
        let site = Site::new("71").await;
        let snapshot = Snapshot::take(&site).await;
        let row = &snapshot.tables["wp_actionscheduler_actions"].rows[&7];
        assert_eq!(row["last_attempt_gmt"], "0000-00-00 00:00:00");
        let schedule = row["schedule"].as_str().unwrap();
        assert!(schedule.contains("\0*\0scheduled_timestamp"), "{schedule}");
    }
}
