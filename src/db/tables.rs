//! Names of the site's tables: known only at run time, and fixed from then on.

/// Table prefixes and the two tables that `CUSTOM_USER_TABLE` and `CUSTOM_USER_META_TABLE` may rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableNames {
    base: String,
    prefix: String,
    users: String,
    usermeta: String,
    blog_id: Option<u64>,
}

/// A name that is not safe to use in SQL.
#[derive(Debug, thiserror::Error)]
#[error(
    "\"{0}\" is no table name or prefix: WordPress admits ASCII letters, digits and underscores, 64 at most"
)]
pub struct InvalidTableName(String);

impl TableNames {
    /// `prefix` is `$table_prefix`; `users` and `usermeta` replace the full name of those tables, as in WordPress.
    ///
    /// # Errors
    /// A name with characters other than ASCII letters, digits and underscores. This check makes rendering sound.
    pub fn new(
        prefix: &str,
        users: Option<&str>,
        usermeta: Option<&str>,
    ) -> Result<Self, InvalidTableName> {
        let name = |custom: Option<&str>, standard: &str| {
            checked(custom.map_or_else(|| format!("{prefix}{standard}"), ToOwned::to_owned))
        };
        let prefix = checked(prefix.to_owned())?;
        Ok(Self {
            base: prefix.clone(),
            users: name(users, "users")?,
            usermeta: name(usermeta, "usermeta")?,
            prefix,
            blog_id: None,
        })
    }

    /// The names of one site of a network. `self` is built by [`Self::new`] from the network's own prefix; `prefix` is
    /// the prefix of the site's tables. The users belong to the network.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn of_blog(self, blog_id: u64, prefix: &str) -> Result<Self, InvalidTableName> {
        Ok(Self {
            prefix: checked(prefix.to_owned())?,
            blog_id: Some(blog_id),
            ..self
        })
    }

    /// The prefix of the site's tables, and of its keys `{prefix}capabilities` and `{prefix}user_roles`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `$table_prefix`: the prefix of the tables that the sites of a network share; on a single site, its own prefix.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The site's id within a network; `None` for a single site.
    pub fn blog_id(&self) -> Option<u64> {
        self.blog_id
    }

    /// Whether the site belongs to a network; mirrors `is_multisite`.
    pub fn is_network(&self) -> bool {
        self.blog_id.is_some()
    }

    /// The full name of the users table.
    pub fn users(&self) -> &str {
        &self.users
    }

    /// The full name of the usermeta table.
    pub fn usermeta(&self) -> &str {
        &self.usermeta
    }
}

fn checked(name: String) -> Result<String, InvalidTableName> {
    let sound = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if sound {
        Ok(name)
    } else {
        Err(InvalidTableName(name))
    }
}

#[cfg(test)]
mod tests {
    use super::TableNames;

    #[test]
    fn a_name_that_could_end_an_identifier_is_refused() {
        for prefix in ["wp`", "wp-", "wp ", "wp;", "é", "w.p"] {
            assert!(TableNames::new(prefix, None, None).is_err(), "{prefix}");
        }
        assert!(TableNames::new("wp_", Some("a b"), None).is_err());
        assert!(TableNames::new("", None, None).is_ok());
    }

    #[test]
    fn custom_user_tables_replace_the_whole_name() {
        let tables = TableNames::new("wp_", Some("shared_users"), None).unwrap();
        assert_eq!(tables.users(), "shared_users");
        assert_eq!(tables.usermeta(), "wp_usermeta");
    }

    #[test]
    fn a_site_of_a_network_has_tables_of_its_own_and_the_networks_users() {
        let network = TableNames::new("wp_", None, None).unwrap();
        assert!(!network.is_network());
        let blog = network.of_blog(2, "wp_2_").unwrap();
        assert_eq!((blog.base(), blog.prefix()), ("wp_", "wp_2_"));
        assert_eq!(blog.users(), "wp_users");
        assert!(blog.is_network() && blog.of_blog(2, "wp-2_").is_err());
    }
}
