//! `fcom-sidecar webhook`: the webhooks of the site, straight from its database. Keys are shown only to who asks for them.

mod show;

use std::process::ExitCode;

use anyhow::{Context, bail};
use chrono::TimeDelta;
use clap::{ArgAction, Args, Subcommand};

use super::database::{Database, pool, with_database};
use super::terminal::{answer, say};
use crate::clock::Clock;
use crate::config::Config;
use crate::db::{self, Connection, Pool, Statements};
use crate::fluentcommunity::webhooks::{
    self, Drafted, Environment, Kind, PortalOverrides, Rotated, Row, Settings, Targets,
};

/// What to do with webhooks.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum Webhook {
    /// Lists webhooks, without their keys
    List {
        /// Only those in whose key or record this stands
        #[arg(long)]
        search: Option<String>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Shows one webhook, without its key
    Show {
        /// The webhook's number
        id: u64,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Creates a webhook and prints its address, which holds the key
    Create {
        /// What FluentCommunity shall call it
        #[arg(long)]
        title: String,
        #[command(flatten)]
        targets: Lists,
        /// Whether new users get WordPress's welcome mail
        #[arg(long, value_name = "yes|no", default_value = "yes", value_parser = yes_or_no, action = ArgAction::Set)]
        welcome_email: bool,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Changes what is given and leaves the rest
    Update {
        /// The webhook's number
        id: u64,
        /// What FluentCommunity shall call it
        #[arg(long)]
        title: Option<String>,
        #[command(flatten)]
        targets: Lists,
        /// Whether new users get WordPress's welcome mail
        #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
        welcome_email: Option<bool>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Deletes a webhook: its calls get 404 from then on
    Delete {
        /// The webhook's number
        id: u64,
    },
    /// Gives a webhook a new key and prints the new address; the old key stays valid for a while
    Rotate {
        /// The webhook's number
        id: u64,
        /// How long, in hours [default: `admin.old_key_hours`]
        #[arg(long, value_parser = clap::value_parser!(u32).range(..=8760))]
        grace_hours: Option<u32>,
        /// Prints JSON
        #[arg(long)]
        json: bool,
    },
    /// Prints a webhook's address, which holds the key
    Url {
        /// The webhook's number
        id: u64,
    },
}

/// Spaces and courses, each by id, slug or title. A list that is given replaces the one before; an empty text stands for
/// an empty list.
#[derive(Clone, Debug, Args)]
pub(super) struct Lists {
    /// A space to join; may be repeated
    #[arg(long = "space", value_name = "SPACE")]
    spaces: Vec<String>,
    /// A space to leave; may be repeated
    #[arg(long = "remove-space", value_name = "SPACE")]
    remove_spaces: Vec<String>,
    /// A course to enrol in; may be repeated
    #[arg(long = "course", value_name = "COURSE")]
    courses: Vec<String>,
    /// A course to leave; may be repeated
    #[arg(long = "remove-course", value_name = "COURSE")]
    remove_courses: Vec<String>,
}

/// Ids instead of names; `None` where nothing was given.
struct Found {
    spaces: Option<Vec<u64>>,
    remove_spaces: Option<Vec<u64>>,
    courses: Option<Vec<u64>>,
    remove_courses: Option<Vec<u64>>,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

pub(super) fn run(command: Webhook, config: &Config) -> anyhow::Result<ExitCode> {
    with_database(config, async |database| {
        let Database {
            connection,
            statements,
            tables,
        } = database;
        let cluster = db::Cluster::read(connection).await?;
        statements.set_several_writers(cluster.has_several_writers());
        let missing = db::missing_migrations(connection, tables).await?;
        if missing != Some(0) {
            bail!("the sidecar's own tables are not up to date: run \"fcom-sidecar migrate\"");
        }
        let overrides = PortalOverrides {
            slug: config.wordpress.portal_slug.clone(),
            home: config.wordpress.home_url.clone(),
        };
        let environment =
            Environment::read(connection, statements, tables.prefix(), &overrides).await?;
        let site = Drafted {
            statements,
            environment: &environment,
            now: Clock.now(),
        };
        let pool = pool(config)?;
        carry_out(command, connection, &pool, site, config.admin.old_keys).await?;
        Ok(ExitCode::SUCCESS)
    })
}

async fn carry_out(
    command: Webhook,
    connection: &mut Connection,
    pool: &Pool,
    site: Drafted<'_>,
    old_keys: TimeDelta,
) -> anyhow::Result<()> {
    let (statements, portal) = (site.statements, &site.environment.portal);
    match command {
        Webhook::List { search, json } => {
            let search = search.unwrap_or_default();
            let rows = webhooks::list(connection, statements, &search).await?;
            let shown: Vec<_> = rows.iter().map(show::json).collect();
            answer(json, &shown, |_| show::table(&rows))
        }
        Webhook::Show { id, json } => {
            let row = find(connection, statements, id).await?;
            let targets = Targets::read(connection, statements).await?;
            answer(json, &show::json(&row), |_| show::card(&row, &targets))
        }
        Webhook::Create {
            title,
            targets,
            welcome_email,
            json,
        } => {
            anyhow::ensure!(
                !title.trim().is_empty(),
                "--title is empty: give the webhook a name"
            );
            let found = targets.find(connection, statements).await?;
            let settings = found.edit(Settings::default(), Some(&title), Some(welcome_email));
            let row = db::insist(|| {
                pool.work(async |connection| webhooks::create(connection, site, &settings).await)
            })
            .await?;
            let (id, url) = (row.id, portal.webhook_url(&row.meta_key));
            answer(json, &show::json_with_url(&row, &url), |_| {
                format!("Webhook {id} is created. Its address, which is a secret:\n{url}")
            })
        }
        Webhook::Update {
            id,
            title,
            targets,
            welcome_email,
            json,
        } => {
            if title.as_ref().is_some_and(|title| title.trim().is_empty()) {
                bail!("--title is empty: give the webhook a name, or leave the option out");
            }
            let found = targets.find(connection, statements).await?;
            let edit = |before| found.edit(before, title.as_deref(), welcome_email);
            let row = db::insist(|| {
                pool.work(async |connection| webhooks::update(connection, site, id, &edit).await)
            })
            .await?;
            answer(json, &show::json(&row), |_| {
                format!("Webhook {id} is changed.")
            })
        }
        Webhook::Delete { id } => {
            db::insist(|| {
                pool.work(async |connection| webhooks::delete(connection, statements, id).await)
            })
            .await?;
            say(&format!("Webhook {id} is deleted."));
            Ok(())
        }
        Webhook::Rotate {
            id,
            grace_hours,
            json,
        } => {
            let grace = grace_hours.map_or(old_keys, |hours| TimeDelta::hours(hours.into()));
            let Rotated {
                row,
                old_key_valid_until,
            } = db::insist(|| {
                pool.work(async |connection| webhooks::rotate(connection, site, id, grace).await)
            })
            .await?;
            let url = portal.webhook_url(&row.meta_key);
            let until = format!("{} UTC", old_key_valid_until.naive_utc());
            let mut shown = show::json_with_url(&row, &url);
            shown["old_key_valid_until"] = until.as_str().into();
            answer(json, &shown, |_| {
                format!(
                    "Webhook {id} has a new key. The old one is valid until {until}, here and not in WordPress. Its \
                     address, which is a secret:\n{url}"
                )
            })
        }
        Webhook::Url { id } => {
            let row = find(connection, statements, id).await?;
            say(&portal.webhook_url(&row.meta_key));
            Ok(())
        }
    }
}

async fn find(
    connection: &mut Connection,
    statements: &Statements,
    id: u64,
) -> anyhow::Result<Row> {
    let row = webhooks::find(connection, statements, id).await?;
    row.with_context(|| {
        format!("there is no webhook {id}: \"fcom-sidecar webhook list\" shows those there are")
    })
}

impl Lists {
    /// # Errors
    /// A name that is nobody's or several's, in words that help.
    async fn find(
        &self,
        connection: &mut Connection,
        statements: &Statements,
    ) -> anyhow::Result<Found> {
        let targets = Targets::read(connection, statements).await?;
        let ids = |kind, names: &[String]| -> anyhow::Result<Option<Vec<u64>>> {
            let given = names.iter().filter(|name| !name.is_empty());
            let ids = given.map(|name| targets.named(kind, name).map_err(anyhow::Error::msg));
            let ids: Vec<u64> = ids.collect::<Result<_, _>>()?;
            Ok((!names.is_empty()).then_some(ids))
        };
        Ok(Found {
            spaces: ids(Kind::Space, &self.spaces)?,
            remove_spaces: ids(Kind::Space, &self.remove_spaces)?,
            courses: ids(Kind::Course, &self.courses)?,
            remove_courses: ids(Kind::Course, &self.remove_courses)?,
        })
    }
}

impl Found {
    /// The settings with what was given, and as they were where nothing was.
    fn edit(&self, before: Settings, title: Option<&str>, welcome_email: Option<bool>) -> Settings {
        let ids = |given: &Option<Vec<u64>>, before| given.clone().unwrap_or(before);
        Settings {
            title: title.map_or(before.title, ToOwned::to_owned),
            space_ids: ids(&self.spaces, before.space_ids),
            remove_space_ids: ids(&self.remove_spaces, before.remove_space_ids),
            course_ids: ids(&self.courses, before.course_ids),
            remove_course_ids: ids(&self.remove_courses, before.remove_course_ids),
            welcome_email: welcome_email.unwrap_or(before.welcome_email),
        }
    }
}
