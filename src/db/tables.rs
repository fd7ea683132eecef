//! The names of the site's tables: known only at run time, and fixed from then on.

/// Table prefix and the two tables that `CUSTOM_USER_TABLE` and `CUSTOM_USER_META_TABLE` may rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableNames {
    prefix: String,
    users: String,
    usermeta: String,
}

/// A name that cannot stand in SQL as it is.
#[derive(Debug, thiserror::Error)]
#[error(
    "\"{0}\" is no table name or prefix: WordPress admits ASCII letters, digits and underscores, 64 at most"
)]
pub struct InvalidTableName(String);

impl TableNames {
    /// `prefix` as in `$table_prefix`; `users` and `usermeta` replace the whole name of those tables, as WordPress does.
    ///
    /// # Errors
    /// A name with other characters than ASCII letters, digits and underscores: this is what makes rendering sound.
    pub fn new(
        prefix: &str,
        users: Option<&str>,
        usermeta: Option<&str>,
    ) -> Result<Self, InvalidTableName> {
        let name = |custom: Option<&str>, standard: &str| {
            checked(custom.map_or_else(|| format!("{prefix}{standard}"), ToOwned::to_owned))
        };
        Ok(Self {
            prefix: checked(prefix.to_owned())?,
            users: name(users, "users")?,
            usermeta: name(usermeta, "usermeta")?,
        })
    }

    /// `$table_prefix`, which also begins the keys `{prefix}capabilities` and `{prefix}user_roles`.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The users table's whole name.
    pub fn users(&self) -> &str {
        &self.users
    }

    /// The usermeta table's whole name.
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
}
