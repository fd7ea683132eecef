//! Lists what the statements in `sql/queries/` use of each table. `check` derives the required columns, indexes and
//! privileges from this one list.

mod table;

pub use self::table::{Index, Privilege, Purpose, SiteTable};
use self::table::{UNUSED, index, unique};
use super::TableNames;

/// Tables of WordPress, FluentCommunity and Action Scheduler.
pub const SITE_TABLES: &[SiteTable] = &[
    SiteTable {
        name: "users",
        id: "ID",
        reads: &[
            "ID",
            "user_login",
            "user_nicename",
            "user_email",
            "user_url",
            "user_registered",
            "display_name",
        ],
        inserts: &[
            "user_login",
            "user_pass",
            "user_nicename",
            "user_email",
            "user_url",
            "user_registered",
            "user_activation_key",
            "display_name",
        ],
        // The reset key of a welcome mail. SELECT … FOR UPDATE also requires the UPDATE privilege.
        updates: &["user_activation_key"],
        indexes: &[
            index("user_login_key", &["user_login"]),
            index("user_nicename", &["user_nicename"]),
            index("user_email", &["user_email"]),
        ],
        ..UNUSED
    },
    SiteTable {
        name: "users",
        purpose: Purpose::ResetLinks,
        id: "ID",
        reads: &["user_pass", "user_activation_key"],
        ..UNUSED
    },
    SiteTable {
        name: "usermeta",
        id: "umeta_id",
        reads: &["umeta_id", "user_id", "meta_key", "meta_value"],
        inserts: &["user_id", "meta_key", "meta_value"],
        updates: &["meta_value"],
        indexes: &[index("user_id", &["user_id"])],
        ..UNUSED
    },
    SiteTable {
        name: "options",
        id: "option_id",
        reads: &["option_id", "option_name", "option_value"],
        inserts: &["option_name", "option_value", "autoload"],
        // For INSERT … SELECT … ON DUPLICATE KEY UPDATE, MariaDB requires UPDATE on every inserted column.
        updates: &["option_name", "option_value", "autoload"],
        indexes: &[unique("option_name", &["option_name"])],
        ..UNUSED
    },
    SiteTable {
        name: "fcom_meta",
        reads: &[
            "id",
            "object_type",
            "object_id",
            "meta_key",
            "value",
            "created_at",
            "updated_at",
        ],
        is_managed: true,
        inserts: &[
            "object_type",
            "meta_key",
            "value",
            "updated_at",
            "created_at",
        ],
        updates: &["meta_key", "value", "updated_at"],
        deletes: true,
        indexes: &[index("meta_key", &["meta_key"])],
        ..UNUSED
    },
    SiteTable {
        name: "fcom_xprofile",
        reads: &["user_id", "username"],
        inserts: &[
            "user_id",
            "username",
            "display_name",
            "is_verified",
            "short_description",
            "meta",
            "status",
            "created_at",
            "updated_at",
        ],
        indexes: &[
            unique("user_id", &["user_id"]),
            index("username", &["username"]),
        ],
        ..UNUSED
    },
    SiteTable {
        name: "fcom_spaces",
        reads: &["id", "title", "slug", "logo", "type", "privacy", "settings"],
        ..UNUSED
    },
    SiteTable {
        name: "fcom_space_user",
        reads: &["id", "space_id", "user_id", "status", "role", "created_at"],
        inserts: &["space_id", "role", "user_id", "updated_at", "created_at"],
        updates: &["status", "role", "updated_at"],
        deletes: true,
        indexes: &[index("space_id_user_id", &["space_id", "user_id"])],
        ..UNUSED
    },
    SiteTable {
        name: "fcom_posts",
        purpose: Purpose::StructuredCourses,
        reads: &["id", "space_id", "type", "reactions_count", "meta"],
        ..UNUSED
    },
    SiteTable {
        name: "actionscheduler_actions",
        purpose: Purpose::Jobs,
        id: "action_id",
        reads: &["action_id", "hook", "status", "args"],
        inserts: &[
            "hook",
            "status",
            "scheduled_date_gmt",
            "scheduled_date_local",
            "priority",
            "args",
            "schedule",
            "group_id",
            "attempts",
            "last_attempt_gmt",
            "last_attempt_local",
            "claim_id",
            "extended_args",
        ],
        updates: &["status"],
        ..UNUSED
    },
    SiteTable {
        name: "actionscheduler_groups",
        purpose: Purpose::Jobs,
        id: "group_id",
        reads: &["group_id", "slug"],
        inserts: &["slug"],
        ..UNUSED
    },
    SiteTable {
        name: "actionscheduler_logs",
        purpose: Purpose::Jobs,
        id: "log_id",
        inserts: &["action_id", "message", "log_date_gmt", "log_date_local"],
        ..UNUSED
    },
];

/// Additional tables for a site of a network.
const NETWORK_TABLES: &[SiteTable] = &[
    SiteTable {
        name: "users",
        id: "ID",
        reads: &["spam", "deleted"],
        ..UNUSED
    },
    SiteTable {
        name: "blogs",
        id: "blog_id",
        reads: &[
            "blog_id", "site_id", "domain", "path", "archived", "spam", "deleted",
        ],
        ..UNUSED
    },
    SiteTable {
        name: "site",
        reads: &["id", "domain", "path"],
        ..UNUSED
    },
    SiteTable {
        name: "sitemeta",
        id: "meta_id",
        reads: &["meta_id", "site_id", "meta_key", "meta_value"],
        inserts: &["site_id", "meta_key", "meta_value"],
        updates: &["meta_value"],
        indexes: &[index("meta_key", &["meta_key"])],
        ..UNUSED
    },
];

/// Every table that a site uses: [`SITE_TABLES`], and on a network those that its sites share.
pub fn site_tables(tables: &TableNames) -> impl Iterator<Item = &'static SiteTable> + use<> {
    let network = if tables.is_network() {
        NETWORK_TABLES
    } else {
        &[]
    };
    SITE_TABLES.iter().chain(network)
}

/// Our own tables; privileges are required on the whole table, because the columns change with releases.
pub const OWN_TABLES: &[SiteTable] = &[
    SiteTable {
        name: "fcom_sidecar_schema",
        reads: &["version", "success"],
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_claims",
        reads: &["kind", "value", "call_id"],
        inserts: &["kind", "value", "call_id"],
        updates: &["kind"],
        deletes: true,
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_runs",
        reads: &["id", "call_id"],
        inserts: &["id"],
        updates: &["tallied", "idempotency_key"],
        deletes: true,
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_old_keys",
        is_managed: true,
        reads: &["key_hash", "webhook_id", "valid_until"],
        inserts: &["key_hash", "webhook_id", "valid_until"],
        updates: &["webhook_id", "valid_until"],
        deletes: true,
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_signed",
        reads: &["id_hash"],
        inserts: &["id_hash"],
        deletes: true,
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_refused",
        reads: &["id"],
        inserts: &["id"],
        deletes: true,
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_kept",
        reads: &["refused_id"],
        inserts: &["refused_id"],
        updates: &["run_id"],
        deletes: true,
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_shadow",
        reads: &["id"],
        inserts: &["id"],
        updates: &["verdict"],
        deletes: true,
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_guard",
        reads: &["subject", "seen_at"],
        inserts: &["subject", "seen_at"],
        updates: &["seen_at"],
        deletes: true,
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_instances",
        reads: &["id"],
        inserts: &["id"],
        updates: &["seen_at"],
        deletes: true,
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_mail",
        reads: &["id"],
        inserts: &["id"],
        updates: &["state"],
        deletes: true,
        ..UNUSED
    },
    SiteTable {
        name: "fcom_sidecar_events",
        reads: &["id"],
        inserts: &["id"],
        updates: &["state"],
        deletes: true,
        ..UNUSED
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::db::Statements;

    /// The tables that a statement touches, and how: found by the keywords that precede a table name.
    fn uses(sql: &str) -> BTreeSet<(String, Privilege)> {
        let words: Vec<&str> = sql
            .split(|c: char| c.is_whitespace() || c == '(' || c == ')')
            .filter(|word| !word.is_empty())
            .collect();
        let mut uses = BTreeSet::new();
        for pair in words.windows(3) {
            let table = |word: &str, privilege| (word.to_owned(), privilege);
            match *pair {
                ["INSERT", "INTO", name] => {
                    uses.insert(table(name, Privilege::Insert));
                    if sql.contains("ON DUPLICATE KEY UPDATE") {
                        uses.insert(table(name, Privilege::Update));
                    }
                }
                ["DELETE", "FROM", name] => {
                    uses.insert(table(name, Privilege::Delete));
                }
                ["UPDATE", name, "SET" | "FORCE"] => {
                    uses.insert(table(name, Privilege::Update));
                }
                // Not table names.
                [_, "FROM", "DUAL"] | [_, "FROM" | "JOIN", "SELECT"] => {}
                [_, "FROM" | "JOIN", name] => {
                    uses.insert(table(name, Privilege::Select));
                    if sql.contains("FOR UPDATE") && !name.contains("xprofile") {
                        uses.insert(table(name, Privilege::Update));
                    }
                }
                _ => {}
            }
        }
        if sql.contains("WHERE") {
            let written: Vec<_> = uses.iter().map(|(name, _)| name.clone()).collect();
            uses.extend(written.into_iter().map(|name| (name, Privilege::Select)));
        }
        uses
    }

    #[test]
    fn every_statement_uses_only_what_is_listed() {
        let single = TableNames::new("wp_", None, None).unwrap();
        let blog = single.clone().of_blog(2, "wp_2_").unwrap();
        for tables in [single, blog] {
            let listed: BTreeSet<(String, Privilege)> = site_tables(&tables)
                .chain(OWN_TABLES)
                .flat_map(|table| {
                    let name = table.full_name(&tables);
                    let privileges = table.privileges().into_iter();
                    privileges.map(move |(privilege, _)| (name.clone(), privilege))
                })
                .collect();
            for (statement, sql) in Statements::render(&tables).all() {
                if statement.contains("network") && !tables.is_network() {
                    continue;
                }
                let used = uses(sql.sql().as_str());
                assert!(!used.is_empty(), "{statement}");
                let missing: Vec<_> = used.difference(&listed).collect();
                assert!(missing.is_empty(), "{statement}: {missing:?}");
            }
        }
    }
}
