//! Checks the site's tables: that they exist, are transactional, and have the columns and indexes that the statements
//! use.

use std::collections::BTreeSet;

use super::report::Finding;
use super::schema::{Column, Schema};
use crate::config::Transport;
use crate::db::{
    DatabaseError, Index, Obstacle, Purpose, SiteTable, implicit_default, is_unicode, is_used,
    site_tables,
};

pub(super) const TABLES: &str = "tables";
pub(super) const OPTIONAL_TABLES: &str = "optional-tables";
pub(super) const ENGINE: &str = "storage-engine";
pub(super) const COLUMNS: &str = "columns";
pub(super) const INDEXES: &str = "indexes";
pub(super) const CHARACTER_SET: &str = "character-set";

/// Tables that store names in any script.
const NAMES_OF_PEOPLE: [&str; 3] = ["users", "usermeta", "fcom_xprofile"];

impl Schema {
    pub(super) fn findings(&self, transport: Transport) -> Vec<Finding> {
        let mut findings = vec![self.required(), self.optional(transport)];
        findings.extend(self.each(ENGINE, "all are InnoDB", Self::engine));
        findings.extend(self.each(COLUMNS, "all are there", Self::columns));
        findings.extend(self.each(INDEXES, "all are there", Self::indexes));
        findings.extend(self.each(CHARACTER_SET, "names may hold any character", Self::charset));
        findings
    }

    fn required(&self) -> Finding {
        let missing = self.missing(&[Purpose::Calls]);
        if missing.is_empty() {
            let prefix = self.names.prefix();
            return Finding::ok(
                TABLES,
                format!("WordPress's and FluentCommunity's, as {prefix}…"),
            );
        }
        Finding::failed(
            TABLES,
            format!(
                "not there, or not to be seen by this account: {}",
                missing.join(", ")
            ),
            "correct the database or wordpress.table_prefix, or grant privileges; FluentCommunity creates its tables when \
             an administrator opens the portal",
        )
    }

    fn optional(&self, transport: Transport) -> Finding {
        let missing = self.missing(&[Purpose::StructuredCourses, Purpose::Jobs]);
        if missing.is_empty() {
            return Finding::ok(OPTIONAL_TABLES, "fcom_posts and Action Scheduler's");
        }
        let mut found = format!(
            "not there, or not to be seen by this account: {}; calls for structured courses fail",
            missing.join(", ")
        );
        if transport == Transport::WordPress {
            found.push_str(", and so do calls that send a welcome mail");
        }
        Finding::warning(
            OPTIONAL_TABLES,
            found,
            "open wp-admin as an administrator, which creates Action Scheduler's tables, or grant privileges on them",
        )
    }

    /// The findings of `judge` for each existing table, or one finding that nothing is wrong.
    fn each(
        &self,
        name: &'static str,
        ok: &str,
        judge: impl Fn(&Self, &SiteTable, &str) -> Vec<Finding>,
    ) -> Vec<Finding> {
        let present = site_tables(&self.names)
            .map(|table| (table, table.full_name(&self.names)))
            .filter(|(_, name)| self.engines.contains_key(name));
        let findings: Vec<Finding> = present
            .flat_map(|(table, name)| judge(self, table, &name))
            .collect();
        if !findings.is_empty() {
            findings
        } else if self.engines.is_empty() {
            vec![Finding::skipped(name, "there is no table to look at")]
        } else {
            vec![Finding::ok(name, ok)]
        }
    }

    fn engine(&self, _: &SiteTable, name: &str) -> Vec<Finding> {
        let engine = self.engines.get(name).and_then(Option::as_deref);
        match engine {
            Some(engine) if engine.eq_ignore_ascii_case("InnoDB") => Vec::new(),
            Some(engine) => vec![Finding::failed(
                ENGINE,
                format!(
                    "{name} is {engine}, which knows no transactions: a call could be half done"
                ),
                self.alter(name, "ENGINE = InnoDB"),
            )],
            None => vec![Finding::failed(
                ENGINE,
                format!("{name} is a view or is damaged"),
                format!("make {name} an InnoDB table"),
            )],
        }
    }

    fn columns(&self, table: &SiteTable, name: &str) -> Vec<Finding> {
        let there = self.columns.get(name).map_or(&[][..], Vec::as_slice);
        let column = |wanted: &str| there.iter().find(|c| c.name.eq_ignore_ascii_case(wanted));
        let mut findings = Vec::new();
        let missing: Vec<&str> = table
            .columns()
            .into_iter()
            .filter(|wanted| column(wanted).is_none())
            .collect();
        if !missing.is_empty() {
            findings.push(Finding::failed(
                COLUMNS,
                format!("{name} lacks {}", missing.join(", ")),
                "let WordPress and FluentCommunity upgrade their tables (open wp-admin and the portal as an administrator), \
                 or grant privileges on the whole table",
            ));
        }
        if table.inserts.is_empty() {
            return findings;
        }
        let counts = |c: &Column| c.extra.to_ascii_lowercase().contains("auto_increment");
        if column(table.id).is_some_and(|id| !counts(id)) {
            let id = table.id;
            findings.push(Finding::failed(
                COLUMNS,
                format!("{name}.{id} has lost its AUTO_INCREMENT: no row can be added"),
                format!(
                    "restore it after a backup: {} (with ADD PRIMARY KEY ({id}), if that is gone too)",
                    self.alter(
                        name,
                        &format!("MODIFY {id} bigint unsigned NOT NULL AUTO_INCREMENT")
                    )
                ),
            ));
        }
        let strange = there.iter().filter(|c| {
            let written = table
                .inserts
                .iter()
                .any(|i| i.eq_ignore_ascii_case(&c.name));
            let id = c.name.eq_ignore_ascii_case(table.id);
            c.needs_value && !written && !id && !c.extra.to_ascii_uppercase().contains("GENERATED")
        });
        findings.extend(strange.map(|c| {
            let found = format!("{name}.{} has no default", c.name);
            match implicit_default(&c.data_type.to_ascii_lowercase()) {
                Some(value) => Finding::ok(
                    COLUMNS,
                    format!("{found}: new rows get {value} there, as in WordPress's session"),
                ),
                None => Finding::failed(
                    COLUMNS,
                    format!("{found}: the server refuses every new row"),
                    self.alter(name, &format!("ALTER COLUMN {} SET DEFAULT …", c.name)),
                ),
            }
        }));
        findings
    }

    fn indexes(&self, table: &SiteTable, name: &str) -> Vec<Finding> {
        let there = self.indexes.get(name).map_or(&[][..], Vec::as_slice);
        let serves = |wanted: &Index| {
            there.iter().any(|index| {
                let columns = index.columns.iter().zip(wanted.columns);
                let begins_alike = columns.filter(|(a, b)| a.eq_ignore_ascii_case(b)).count();
                let unique = index.is_unique && index.columns.len() == wanted.columns.len();
                begins_alike == wanted.columns.len() && (unique || !wanted.unique)
            })
        };
        let missing = table.indexes.iter().filter(|index| !serves(index));
        missing
            .map(|index| {
                let columns = index.columns.join(", ");
                let (kind, why) = if index.unique {
                    ("UNIQUE INDEX", "unique index")
                } else {
                    ("INDEX", "index")
                };
                let taken = there
                    .iter()
                    .any(|i| i.name.eq_ignore_ascii_case(index.name));
                let suffix = if taken { "_fcom" } else { "" };
                Finding::warning(
                    INDEXES,
                    format!(
                        "{name} has no {why} on ({columns}): calls get slow and wait for each other"
                    ),
                    self.alter(
                        name,
                        &format!("ADD {kind} {}{suffix} ({columns})", index.name),
                    ),
                )
            })
            .collect()
    }

    fn charset(&self, table: &SiteTable, name: &str) -> Vec<Finding> {
        let there = self.columns.get(name).map_or(&[][..], Vec::as_slice);
        let charset = |column: &Column| column.charset.clone();
        let foreign = there.iter().find(|column| {
            let is_used = is_used(&self.names, name, &column.name);
            is_used && column.charset.as_deref().is_some_and(|c| !is_unicode(c))
        });
        if let Some((column, charset)) = foreign.and_then(|c| Some((&c.name, charset(c)?))) {
            let obstacle = Obstacle::NoUnicode {
                table: name.to_owned(),
                column: column.clone(),
                charset,
            };
            return vec![if table.purpose == Purpose::Calls {
                Finding::failed(CHARACTER_SET, obstacle.to_string(), obstacle.remedy())
            } else {
                Finding::warning(CHARACTER_SET, obstacle.to_string(), obstacle.remedy())
            }];
        }
        let narrow: BTreeSet<String> = there
            .iter()
            .filter(|c| table.inserts.contains(&c.name.as_str()))
            .filter_map(charset)
            .filter(|charset| charset != "utf8mb4")
            .collect();
        if narrow.is_empty() || !NAMES_OF_PEOPLE.contains(&table.name) {
            return Vec::new();
        }
        let narrow: Vec<String> = narrow.into_iter().collect();
        vec![Finding::warning(
            CHARACTER_SET,
            format!(
                "{name} is {}: emoji and rare characters are left out of names",
                narrow.join(" and ")
            ),
            format!(
                "after a backup: {}",
                self.alter(
                    name,
                    "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci"
                )
            ),
        )]
    }
}

/// The tables could not be read.
pub(super) fn unreadable(error: &DatabaseError) -> Vec<Finding> {
    let mut findings = vec![Finding::failed(
        TABLES,
        error.to_string(),
        "check that database.url leads to a MySQL or MariaDB server",
    )];
    let why = "the server did not tell";
    let others = [OPTIONAL_TABLES, ENGINE, COLUMNS, INDEXES, CHARACTER_SET];
    findings.extend(others.map(|name| Finding::skipped(name, why)));
    findings
}
