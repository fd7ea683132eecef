//! The site's options that a mail is composed from.

use std::borrow::Cow;

use super::login_page::LoginOptions;
use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::wordpress::options::{OptionRow, SiteOptions};

/// The options, overridden by the constants of `wp-config.php`.
#[derive(Clone, Debug, Default)]
pub struct MailOptions {
    /// `siteurl`, or `WP_SITEURL`.
    pub site_url: String,
    /// `home`, or `WP_HOME`; `siteurl` if empty.
    pub home: String,
    /// `blogname`, HTML-escaped as it is stored.
    pub blogname: String,
    /// The network that the site belongs to, with the addresses used in its mails.
    pub network: Option<Network>,
    /// The options that all of WordPress needs: language and version.
    pub site: SiteOptions,
    /// `mail.login_url`: the login page's address, set outright.
    pub login_url: Option<String>,
    /// The options of plugins that move the login page.
    pub(super) login: LoginOptions,
}

/// A network of sites: the address of its main site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its id.
    pub id: u64,
    /// A host, possibly with a port.
    pub domain: String,
    /// Begins and ends with a slash.
    pub path: String,
}

impl Network {
    /// Parses `id|domain|path`.
    fn read(value: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(value);
        let mut parts = text.splitn(3, '|').map(ToOwned::to_owned);
        Some(Self {
            id: parts.next()?.parse().ok()?,
            domain: parts.next()?,
            path: parts.next()?,
        })
    }
}

impl MailOptions {
    /// Loads the options; `prefix` is the table prefix.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn load(
        connection: &mut Connection,
        statements: &Statements,
        prefix: &str,
    ) -> Result<Self, DatabaseError> {
        let rows: Vec<OptionRow> = sqlx::query_as(statements.mail_options.sql())
            .fetch_all(connection)
            .await
            .doing("read the options that a mail is made from")?;
        let mut options = Self::default();
        options.site = SiteOptions::read(prefix, rows, |name, value| {
            let text = || String::from_utf8_lossy(&value).into_owned();
            match name {
                b"siteurl" => options.site_url = text(),
                b"home" => options.home = text(),
                b"blogname" => options.blogname = text(),
                b"network" => options.network = Network::read(&value),
                name => options.login.take(name, value),
            }
        });
        Ok(options)
    }

    /// The site's locale.
    pub fn locale(&self) -> &str {
        self.site.locale()
    }

    /// The site's address: `home`, or `siteurl` if that is empty.
    pub(super) fn address(&self) -> &str {
        if self.home.is_empty() {
            &self.site_url
        } else {
            &self.home
        }
    }

    /// The login page's address, if it is not `wp-login.php`.
    pub(super) fn login_page(&self) -> Option<String> {
        let moved = || self.login.page(self.address());
        self.login_url.clone().or_else(moved)
    }

    /// The address whose host the mail comes from; mirrors `network_home_url`.
    pub(super) fn home(&self) -> Cow<'_, str> {
        match &self.network {
            Some(Network { domain, path, .. }) => format!("http://{domain}{path}").into(),
            None => self.address().into(),
        }
    }
}
