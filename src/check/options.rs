//! Reads the rows of `{prefix}options` that the checks use.

use std::collections::BTreeMap;

use super::report::Finding;
use crate::db::{Connection, DatabaseError, Doing, Statement, TableNames};
use crate::fluentcommunity::webhooks::PortalOptions;
use crate::wordpress::options::SiteOptions;
use crate::wordpress::php::{self, Array, Key, Value, loose};

const OPTIONS: &str = include_str!("../../sql/checks/options.sql");

/// Options by name.
#[derive(Debug, Default)]
pub(super) struct Options {
    /// Loads the options that determine what calls do.
    pub(super) site: SiteOptions,
    rows: BTreeMap<String, Vec<u8>>,
}

impl Options {
    pub(super) async fn read(
        connection: &mut Connection,
        tables: &TableNames,
    ) -> Result<Self, DatabaseError> {
        let rows: Vec<(Vec<u8>, Vec<u8>)> =
            sqlx::query_as(Statement::render(OPTIONS, tables).sql())
                .fetch_all(connection)
                .await
                .doing("read the options")?;
        Ok(Self::from_rows(tables.prefix(), rows))
    }

    pub(super) fn from_rows(prefix: &str, rows: Vec<(Vec<u8>, Vec<u8>)>) -> Self {
        let mut options = Self::default();
        for (name, value) in rows {
            options.site.take(prefix, &name, value.clone());
            let name = String::from_utf8_lossy(&name).into_owned();
            options.rows.insert(name, value);
        }
        options
    }

    /// An option as text; `None` when there is no such row.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let value = self.rows.get(name)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Loads the options that determine the portal's address.
    pub(super) fn portal(&self) -> PortalOptions {
        let value = |name: &str| self.rows.get(name).cloned().unwrap_or_default();
        PortalOptions {
            home: value("home"),
            site_url: value("siteurl"),
            settings: value("fluent_community_settings"),
        }
    }

    /// The value of a serialised array option.
    pub(super) fn array(&self, name: &str) -> Option<Array> {
        array(self.rows.get(name)?)
    }

    /// The main files of active plugins, as `folder/file.php`: the site's, and those active for its whole network.
    pub(super) fn active_plugins(&self) -> Vec<String> {
        let of_site = self.array("active_plugins").unwrap_or_default();
        let of_network = self.array("network/active_sitewide_plugins");
        let of_network = of_network.unwrap_or_default();
        let of_site = of_site.values().filter_map(Value::as_bytes);
        let of_network = of_network.iter().filter_map(|(file, _)| match file {
            Key::String(file) => Some(&**file),
            Key::Int(_) => None,
        });
        of_site
            .chain(of_network)
            .map(|file| String::from_utf8_lossy(file).into_owned())
            .collect()
    }

    /// Whether a plugin with this main file (`fluent-crm.php`) is active, whatever its folder is named.
    pub(super) fn is_active(&self, file: &str) -> bool {
        let mut active = self.active_plugins().into_iter();
        active.any(|plugin| plugin.rsplit('/').next() == Some(file))
    }
}

/// Parses a serialised array.
pub(super) fn array(serialised: &[u8]) -> Option<Array> {
    php::parse(loose::trim(serialised)).ok()?.into_array().ok()
}

/// The finding of a check that needs options which could not be read.
pub(super) fn skipped(name: &'static str) -> Finding {
    Finding::skipped(name, "the options cannot be read")
}
