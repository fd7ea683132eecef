//! Describes a table of the site and how it is used.

use crate::db::TableNames;

/// When a table is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// For every call.
    Calls,
    /// For users who join or leave a structured course.
    StructuredCourses,
    /// For structured courses, and for welcome mails that WordPress sends.
    Jobs,
    /// For welcome mails: whether the user has got another link or password since.
    ResetLinks,
}

/// A table and how it is used.
#[derive(Clone, Copy, Debug)]
pub struct SiteTable {
    /// The name without prefix.
    pub name: &'static str,
    /// When it is needed.
    pub purpose: Purpose,
    /// Its `AUTO_INCREMENT` column.
    pub id: &'static str,
    /// Columns used in SELECT and WHERE.
    pub reads: &'static [&'static str],
    /// Columns used in INSERT.
    pub inserts: &'static [&'static str],
    /// Columns used in UPDATE, also in `ON DUPLICATE KEY UPDATE`.
    pub updates: &'static [&'static str],
    /// Whether rows are deleted.
    pub deletes: bool,
    /// Whether rows are inserted and deleted by the management of webhooks only, not by calls.
    pub is_managed: bool,
    /// Indexes that keep calls fast and from blocking each other.
    pub indexes: &'static [Index],
}

/// An index that begins with these columns.
#[derive(Clone, Copy, Debug)]
pub struct Index {
    /// The name that WordPress or FluentCommunity gives it.
    pub name: &'static str,
    /// The first columns, in order.
    pub columns: &'static [&'static str],
    /// Whether it must be unique.
    pub unique: bool,
}

/// A privilege on a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the SQL keyword")]
pub enum Privilege {
    Select,
    Insert,
    Update,
    Delete,
}

impl Privilege {
    /// The SQL keyword.
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

impl SiteTable {
    /// The table's name on this site.
    pub fn full_name(&self, tables: &TableNames) -> String {
        match self.name {
            "users" => tables.users().to_owned(),
            "usermeta" => tables.usermeta().to_owned(),
            name @ ("blogs" | "site" | "sitemeta" | "fcom_sidecar_claims") => {
                format!("{}{name}", tables.base())
            }
            name => format!("{}{name}", tables.prefix()),
        }
    }

    /// Every column in use, without duplicates.
    pub fn columns(&self) -> Vec<&'static str> {
        let mut columns: Vec<_> = [self.reads, self.inserts, self.updates].concat();
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// The privileges that the account needs, with the columns on which it needs them.
    pub fn privileges(&self) -> Vec<(Privilege, &'static [&'static str])> {
        let mut privileges = vec![
            (Privilege::Select, self.reads),
            (Privilege::Insert, self.inserts),
            (Privilege::Update, self.updates),
        ];
        privileges.retain(|(_, columns)| !columns.is_empty());
        if self.deletes {
            privileges.push((Privilege::Delete, &[]));
        }
        privileges
    }
}

/// A non-unique index that begins with these columns.
pub(super) const fn index(name: &'static str, columns: &'static [&'static str]) -> Index {
    Index {
        name,
        columns,
        unique: false,
    }
}

/// A unique index of these columns.
pub(super) const fn unique(name: &'static str, columns: &'static [&'static str]) -> Index {
    Index {
        name,
        columns,
        unique: true,
    }
}

/// A table with no uses yet; the entries below add them.
pub(super) const UNUSED: SiteTable = SiteTable {
    name: "",
    purpose: Purpose::Calls,
    id: "id",
    reads: &[],
    inserts: &[],
    updates: &[],
    deletes: false,
    is_managed: false,
    indexes: &[],
};
