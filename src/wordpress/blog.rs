//! Handles the members of one site in a multisite network (WordPress calls it a blog). Mirrors `ms_site_check`,
//! `is_user_member_of_blog` and `add_user_to_blog`, WordPress 5.9 to 7.1.

use sqlx::FromRow;

use super::php::loose;
use super::roles;
use super::usermeta::MetaRows;
use crate::db::{Answer, Batch, DatabaseError, Doing, Statements, TableNames};

/// A row of `{base}blogs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blog {
    /// `domain`, which may include a port.
    pub domain: String,
    /// Why WordPress does not serve the site; `None` if it does.
    pub closed: Option<&'static str>,
}

impl Blog {
    /// Parses the domain and the flags `archived|spam|deleted`.
    pub fn read(domain: &[u8], flags: &[u8]) -> Self {
        let mut flags = flags.split(|&byte| byte == b'|').map(|flag| flag != b"0");
        let mut is_set = || flags.next().unwrap_or(false);
        let (archived, spam, deleted) = (is_set(), is_set(), is_set());
        let closed = match (deleted, archived, spam) {
            (true, ..) => Some("is deleted or not activated yet"),
            (_, true, _) => Some("is archived"),
            (.., true) => Some("is marked as spam"),
            _ => None,
        };
        Self {
            domain: String::from_utf8_lossy(domain).into_owned(),
            closed,
        }
    }
}

const READ: &str = "read whether the user belongs to the site";

/// The user's meta rows from which WordPress derives membership of a site.
#[derive(Clone, Debug, Default)]
pub struct SiteMembership(Vec<(String, Vec<u8>)>);

/// A user to add to a site.
#[derive(Clone, Copy, Debug)]
pub struct NewSiteMember<'a> {
    /// The site.
    pub blog: &'a Blog,
    /// The role's slug; may be empty or unknown.
    pub role: &'a str,
    /// From the role's capabilities.
    pub user_level: u8,
}

impl SiteMembership {
    /// Adds the query for the rows; [`Self::read`] reads its answer.
    pub fn ask_in(batch: &mut Batch, statements: &Statements, user_id: u64) -> usize {
        batch.add(&statements.blog_membership, READ, &[user_id.into()])
    }

    /// Keys and values, in WordPress's order.
    ///
    /// # Errors
    /// The rows do not have the expected columns.
    pub fn read(answer: &Answer) -> Result<Self, DatabaseError> {
        let rows = answer.rows.iter().map(|row| {
            let (key, value): (Option<Vec<u8>>, Option<Vec<u8>>) = FromRow::from_row(row)?;
            let key = String::from_utf8_lossy(&key.unwrap_or_default()).into_owned();
            Ok::<_, sqlx::Error>((key, value.unwrap_or_default()))
        });
        rows.collect::<Result<_, sqlx::Error>>()
            .doing(READ)
            .map(Self)
    }

    /// Whether a capabilities row exists, even an empty one.
    pub fn is_member(&self, tables: &TableNames) -> bool {
        self.get(&format!("{}capabilities", tables.prefix()))
            .is_some()
    }

    /// The rows that make the user a member, in WordPress's order. Does not apply the filter `can_add_user_to_blog`.
    pub fn joining(&self, tables: &TableNames, member: NewSiteMember<'_>) -> MetaRows {
        let prefix = tables.prefix();
        let mut values = Vec::with_capacity(4);
        // This becomes the primary site of a user who has none.
        if self.get("primary_blog").is_none_or(loose::is_empty) {
            let id = tables.blog_id().unwrap_or(1).to_string();
            values.push(("primary_blog".to_owned(), id));
            values.push(("source_domain".to_owned(), member.blog.domain.clone()));
        }
        let capabilities = roles::capabilities_value(member.role);
        values.push((format!("{prefix}capabilities"), capabilities));
        values.push((format!("{prefix}user_level"), member.user_level.to_string()));
        let (update, insert) = values
            .into_iter()
            .partition(|(key, _)| self.get(key).is_some());
        MetaRows { update, insert }
    }

    /// The value of the first row with this key.
    fn get(&self, key: &str) -> Option<&[u8]> {
        let row = self.0.iter().find(|(name, _)| name == key);
        row.map(|(_, value)| value.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_that_wordpress_does_not_show_is_closed() {
        for (flags, closed) in [
            ("0|0|0", None),
            ("1|0|0", Some("is archived")),
            ("0|1|0", Some("is marked as spam")),
            ("0|0|1", Some("is deleted or not activated yet")),
            ("1|1|2", Some("is deleted or not activated yet")),
        ] {
            let blog = Blog::read(b"example.org:8080", flags.as_bytes());
            assert_eq!((blog.closed, &*blog.domain), (closed, "example.org:8080"));
        }
    }

    #[test]
    fn whoever_has_capabilities_on_the_site_is_its_member() {
        let tables = TableNames::new("wp_", None, None).unwrap();
        let tables = tables.of_blog(2, "wp_2_").unwrap();
        for (key, expected) in [
            ("wp_2_capabilities", true),
            ("wp_capabilities", false),
            ("WP_2_capabilities", false),
            ("wp_2_user_level", false),
        ] {
            let rows = SiteMembership(vec![(key.to_owned(), Vec::new())]);
            assert_eq!(rows.is_member(&tables), expected, "{key}");
        }
    }
}
