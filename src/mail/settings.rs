//! The site's options that a mail is made from, and the sender that the operator may set instead.

use std::borrow::Cow;

use sqlx::FromRow;

use super::text::default_from;
use crate::config;
use crate::db::{Connection, DatabaseError, Doing, Statements};
use crate::wordpress::options::SiteOptions;
use crate::wordpress::sanitize::email::is_email;

/// Options as they stand, with the constants of `wp-config.php` that win over them.
#[derive(Clone, Debug, Default)]
pub struct MailOptions {
    /// `siteurl`, or `WP_SITEURL`.
    pub site_url: String,
    /// `home`, or `WP_HOME`; `siteurl` if empty.
    pub home: String,
    /// `blogname`, HTML-escaped as it is stored.
    pub blogname: String,
    /// The network that the site belongs to, with the addresses that its mails name.
    pub network: Option<Network>,
    /// The options that every part of WordPress needs: language and version.
    pub site: SiteOptions,
}

/// A network of sites: where its main site is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its id.
    pub id: u64,
    /// A host, in which a port may be.
    pub domain: String,
    /// Begins and ends with a slash.
    pub path: String,
}

impl Network {
    /// From `id|domain|path`.
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

#[derive(FromRow)]
struct Row {
    name: Vec<u8>,
    value: Vec<u8>,
}

impl MailOptions {
    /// Reads them; `prefix` is the table prefix.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn load(
        connection: &mut Connection,
        statements: &Statements,
        prefix: &str,
    ) -> Result<Self, DatabaseError> {
        let rows: Vec<Row> = sqlx::query_as(statements.mail_options.sql())
            .fetch_all(connection)
            .await
            .doing("read the options that a mail is made from")?;
        let mut options = Self::default();
        for Row { name, value } in rows {
            let text = || String::from_utf8_lossy(&value).into_owned();
            match name.as_slice() {
                b"siteurl" => options.site_url = text(),
                b"home" => options.home = text(),
                b"blogname" => options.blogname = text(),
                b"network" => options.network = Network::read(&value),
                _ => options.site.take(prefix, &name, value),
            }
        }
        Ok(options)
    }

    /// The site's locale.
    pub fn locale(&self) -> &str {
        self.site.locale()
    }

    /// Whose host the mail comes from; mirrors `network_home_url`.
    fn home(&self) -> Cow<'_, str> {
        match &self.network {
            Some(Network { domain, path, .. }) => format!("http://{domain}{path}").into(),
            None if self.home.is_empty() => (&*self.site_url).into(),
            None => (&*self.home).into(),
        }
    }
}

/// `[mail]` options on the sender; what is not set is WordPress's default.
#[derive(Clone, Debug, Default)]
pub struct Sender {
    /// `mail.from`.
    pub from: Option<String>,
    /// `mail.from_name`.
    pub from_name: Option<String>,
    /// `mail.reply_to`.
    pub reply_to: Option<String>,
    /// `mail.envelope_from`.
    pub envelope_from: Option<String>,
    /// `mail.https_links`.
    pub https_links: bool,
    /// `WP_HOME` and `WP_SITEURL`, which the database does not know.
    pub home: Option<String>,
    /// See `home`.
    pub site_url: Option<String>,
    /// The network's address as `wp-config.php` has it, which wins over the table `site`.
    pub network: Option<Network>,
}

impl Sender {
    /// As configured.
    pub fn new(mail: &config::Mail, wordpress: &config::WordPress) -> Self {
        let blog = wordpress.blog.as_ref();
        let network = blog.and_then(|blog| blog.network.clone());
        Self {
            from: mail.from.clone(),
            from_name: mail.from_name.clone(),
            reply_to: mail.reply_to.clone(),
            envelope_from: mail.envelope_from.clone(),
            https_links: mail.https_links || wordpress.forces_https,
            network: network.map(|said| Network {
                id: said.id,
                domain: said.domain,
                path: said.path,
            }),
            home: wordpress.home_url.clone(),
            site_url: wordpress.site_url.clone(),
        }
    }

    /// Puts the constants over the options.
    pub fn overlay(&self, options: &mut MailOptions) {
        if let Some(network) = &mut options.network {
            // On a network WordPress heeds neither of the constants below.
            if let Some(said) = self.network.as_ref().filter(|said| said.id == network.id) {
                network.clone_from(said);
            }
            return;
        }
        if let Some(home) = &self.home {
            options.home.clone_from(home);
        }
        if let Some(site_url) = &self.site_url {
            options.site_url.clone_from(site_url);
        }
    }

    /// Address and name that the mail comes from.
    ///
    /// # Errors
    /// In words: the site's own address makes none, as on `localhost`; WordPress would send nothing.
    pub fn from(&self, options: &MailOptions) -> Result<(String, String), String> {
        let name = self
            .from_name
            .clone()
            .unwrap_or_else(|| "WordPress".to_owned());
        if let Some(from) = &self.from {
            return Ok((from.clone(), name));
        }
        let home = options.home();
        default_from(&home)
            .filter(|from| is_email(from.as_bytes()))
            .map(|from| (from, name))
            .ok_or_else(|| {
                format!("the site's address \"{home}\" makes no sender address: set mail.from")
            })
    }
}
