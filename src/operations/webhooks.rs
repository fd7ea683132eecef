//! Lets operators manage webhooks, including their URLs. Each change is a transaction of its own, which is retried when
//! others conflict with it. The rows and rules are in `fluentcommunity::webhooks`.

use chrono::{DateTime, TimeDelta, Utc};

use crate::config;
use crate::db::{self, Connection, DatabaseError};
use crate::fluentcommunity::webhooks::{
    self, ChangeContext, ChangeError, Environment, PortalOverrides, SpacesAndCourses, WebhookRow,
    WebhookSettings,
};
use crate::site::Site;

/// The webhooks of a site.
#[derive(Clone, Copy)]
pub struct Webhooks<'a> {
    /// The site; its own tables are up to date.
    pub site: &'a Site,
    /// The portal's address settings from `wp-config.php`.
    pub portal: &'a PortalOverrides,
}

/// A webhook with its URL. No `Debug`: both fields hold the key.
pub struct ManagedWebhook {
    /// Its row.
    pub row: WebhookRow,
    /// The URL to call.
    pub url: String,
}

/// Some webhooks, in the order of their ids.
pub struct WebhookList {
    /// The webhooks found.
    pub webhooks: Vec<ManagedWebhook>,
    /// The spaces and courses that webhooks may use, if requested.
    pub spaces: Option<SpacesAndCourses>,
    /// Whether the course module is on.
    pub course_module: bool,
}

impl Webhooks<'_> {
    /// The webhooks whose key or record contains `search`; `with_spaces` also reads the spaces and courses that
    /// webhooks may use.
    ///
    /// # Errors
    /// A statement failed.
    pub async fn list(
        &self,
        search: String,
        with_spaces: bool,
    ) -> Result<WebhookList, DatabaseError> {
        let (site, statements) = (self.site, &self.site.statements);
        site.pool
            .work(async |connection| {
                let environment = self.environment(connection).await?;
                let rows = webhooks::list(connection, statements, &search).await?;
                let spaces = if with_spaces {
                    Some(SpacesAndCourses::read(connection, statements).await?)
                } else {
                    None
                };
                let managed = |row| managed(row, &environment);
                Ok(WebhookList {
                    webhooks: rows.into_iter().map(managed).collect(),
                    spaces,
                    course_module: environment.course_module,
                })
            })
            .await
    }

    /// The webhook with this id, and the spaces and courses that webhooks may use.
    ///
    /// # Errors
    /// A statement failed.
    pub async fn find(
        &self,
        id: u64,
    ) -> Result<Option<(ManagedWebhook, SpacesAndCourses)>, DatabaseError> {
        let (site, statements) = (self.site, &self.site.statements);
        site.pool
            .work(async |connection| {
                let environment = self.environment(connection).await?;
                let row = webhooks::find(connection, statements, id).await?;
                let spaces = SpacesAndCourses::read(connection, statements).await?;
                Ok(row.map(|row| (managed(row, &environment), spaces)))
            })
            .await
    }

    /// The spaces and courses that webhooks may use.
    ///
    /// # Errors
    /// The statement failed.
    pub async fn spaces(&self) -> Result<SpacesAndCourses, DatabaseError> {
        let (site, statements) = (self.site, &self.site.statements);
        site.pool
            .work(async |connection| SpacesAndCourses::read(connection, statements).await)
            .await
    }

    /// Creates a webhook with a new key. `settings` gets whether courses are on.
    ///
    /// # Errors
    /// The database failed, or cannot store the title.
    pub async fn create(
        &self,
        settings: impl Fn(bool) -> WebhookSettings,
    ) -> Result<ManagedWebhook, ChangeError> {
        let Site {
            pool,
            statements,
            tables,
            ..
        } = self.site;
        let settings = &settings;
        let create = || {
            db::insist(|| {
                pool.work(async |connection| {
                    let environment = self.environment(connection).await?;
                    let settings = settings(environment.course_module);
                    let context = self.context(&environment);
                    let row = webhooks::create(connection, context, &settings).await?;
                    Ok(managed(row, &environment))
                })
            })
        };
        db::follow_columns(pool, statements, tables, create).await
    }

    /// Changes a webhook's settings with `edit`, which gets the previous settings and whether courses are on. If it returns nothing,
    /// nothing is written.
    ///
    /// # Errors
    /// There is no such webhook, its record is corrupt, the edit returned nothing, or as [`Self::create`].
    pub async fn update(
        &self,
        id: u64,
        edit: impl Fn(WebhookSettings, bool) -> Option<WebhookSettings>,
    ) -> Result<ManagedWebhook, ChangeError> {
        let edit = &edit;
        db::insist(|| {
            self.site.pool.work(async |connection| {
                let environment = self.environment(connection).await?;
                let edit = |before| edit(before, environment.course_module);
                let context = self.context(&environment);
                let row = webhooks::update(connection, context, id, edit).await?;
                Ok(managed(row, &environment))
            })
        })
        .await
    }

    /// Deletes a webhook with its old keys.
    ///
    /// # Errors
    /// There is no such webhook, or the database failed.
    pub async fn delete(&self, id: u64) -> Result<(), ChangeError> {
        let (site, statements) = (self.site, &self.site.statements);
        db::insist(|| {
            site.pool
                .work(async |connection| webhooks::delete(connection, statements, id).await)
        })
        .await
    }

    /// Gives a webhook a new key; returns when the old one expires, which `grace` determines.
    ///
    /// # Errors
    /// There is no such webhook, or the database failed.
    pub async fn rotate(
        &self,
        id: u64,
        grace: TimeDelta,
    ) -> Result<(ManagedWebhook, DateTime<Utc>), ChangeError> {
        db::insist(|| {
            self.site.pool.work(async |connection| {
                let environment = self.environment(connection).await?;
                let context = self.context(&environment);
                let rotated = webhooks::rotate(connection, context, id, grace).await?;
                let webhook = managed(rotated.row, &environment);
                Ok((webhook, rotated.old_key_valid_until))
            })
        })
        .await
    }

    async fn environment(&self, connection: &mut Connection) -> Result<Environment, DatabaseError> {
        let Site {
            statements, tables, ..
        } = self.site;
        Environment::read(connection, statements, tables, self.portal).await
    }

    fn context<'a>(&'a self, environment: &'a Environment) -> ChangeContext<'a> {
        ChangeContext {
            statements: &self.site.statements,
            environment,
            now: self.site.clock.now(),
        }
    }
}

/// What the configuration and `wp-config.php` say about the portal's address.
pub fn portal_overrides(wordpress: &config::WordPress) -> PortalOverrides {
    PortalOverrides {
        slug: wordpress.portal_slug.clone(),
        home: wordpress.home_url.clone(),
        site_url: wordpress.site_url.clone(),
    }
}

fn managed(row: WebhookRow, environment: &Environment) -> ManagedWebhook {
    ManagedWebhook {
        url: environment.portal.webhook_url(&row.meta_key),
        row,
    }
}
