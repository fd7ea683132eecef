//! `fcom-sidecar webhook`: manages the site's webhooks, directly in its database. Keys are shown only on request.

mod show;

use anyhow::{Context, anyhow, bail};
use chrono::TimeDelta;
use clap::{ArgAction, Args, Subcommand};
use sqlx::Connection as _;

use super::block_on;
use super::database::site_to_change;
use super::terminal::{answer, say};
use crate::config::{Config, LONGEST_OLD_KEY_HOURS};
use crate::fluentcommunity::webhooks::{Kind, SpacesAndCourses, WebhookSettings};
use crate::operations::webhooks::{ManagedWebhook, Webhooks, portal_overrides};

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
        lists: Lists,
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
        lists: Lists,
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
        /// How long, in hours; 0 ends the validity of earlier keys, too [default: `admin.old_key_hours`]
        #[arg(long, value_parser = clap::value_parser!(u32).range(..=i64::from(LONGEST_OLD_KEY_HOURS)))]
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

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

pub(super) fn run(command: Webhook, config: &Config) -> anyhow::Result<()> {
    block_on(async {
        let (site, connection) = site_to_change(config).await?;
        // The rest uses the pool: where connections are few, this one may be the last.
        connection.close().await?;
        let portal = portal_overrides(&config.wordpress);
        let webhooks = Webhooks {
            site: &site,
            portal: &portal,
        };
        carry_out(command, webhooks, config.admin.old_keys).await
    })
}

async fn carry_out(
    command: Webhook,
    webhooks: Webhooks<'_>,
    old_keys: TimeDelta,
) -> anyhow::Result<()> {
    match command {
        Webhook::List { search, json } => {
            let search = search.unwrap_or_default();
            let list = webhooks.list(search, false).await?.webhooks;
            let shown: Vec<_> = list.iter().map(show::json).collect();
            answer(json, &shown, |_| show::table(&list))
        }
        Webhook::Show { id, json } => {
            let (webhook, spaces) = find(webhooks, id).await?;
            answer(json, &show::json(&webhook), |_| {
                show::card(&webhook, &spaces)
            })
        }
        Webhook::Create {
            title,
            lists,
            welcome_email,
            json,
        } => {
            anyhow::ensure!(
                !title.trim().is_empty(),
                "--title is empty: give the webhook a name"
            );
            let ids = lists.ids(&webhooks.spaces().await?)?;
            let settings = |_| {
                let new = WebhookSettings::default();
                ids.edit(new, Some(&title), Some(welcome_email))
            };
            let webhook = webhooks.create(settings).await?;
            answer(json, &show::json_with_url(&webhook), |_| {
                let ManagedWebhook { row, url } = &webhook;
                let id = row.id;
                vec![
                    format!("Webhook {id} is created. Its address, which is a secret:"),
                    url.clone(),
                ]
            })
        }
        Webhook::Update {
            id,
            title,
            lists,
            welcome_email,
            json,
        } => {
            if title.as_ref().is_some_and(|title| title.trim().is_empty()) {
                bail!("--title is empty: give the webhook a name, or leave the option out");
            }
            let ids = lists.ids(&webhooks.spaces().await?)?;
            let edit = |before, _| Some(ids.edit(before, title.as_deref(), welcome_email));
            let webhook = webhooks.update(id, edit).await?;
            answer(json, &show::json(&webhook), |_| {
                vec![format!("Webhook {id} is changed.")]
            })
        }
        Webhook::Delete { id } => {
            webhooks.delete(id).await?;
            say(&format!("Webhook {id} is deleted."));
            Ok(())
        }
        Webhook::Rotate {
            id,
            grace_hours,
            json,
        } => {
            let grace = grace_hours.map_or(old_keys, |hours| TimeDelta::hours(hours.into()));
            let (webhook, until) = webhooks.rotate(id, grace).await?;
            let until = format!("{} UTC", until.naive_utc());
            let mut shown = show::json_with_url(&webhook);
            shown["old_key_valid_until"] = until.as_str().into();
            answer(json, &shown, |_| {
                let old = if grace.is_zero() {
                    "No earlier one is valid any more.".to_owned()
                } else {
                    format!("The old one is valid until {until}, here and not in WordPress.")
                };
                let said =
                    format!("Webhook {id} has a new key. {old} Its address, which is a secret:");
                vec![said, webhook.url.clone()]
            })
        }
        Webhook::Url { id } => {
            let (webhook, _) = find(webhooks, id).await?;
            say(&webhook.url);
            Ok(())
        }
    }
}

async fn find(
    webhooks: Webhooks<'_>,
    id: u64,
) -> anyhow::Result<(ManagedWebhook, SpacesAndCourses)> {
    let found = webhooks.find(id).await?;
    found.with_context(|| {
        format!("there is no webhook {id}: \"fcom-sidecar webhook list\" shows those there are")
    })
}

/// The ids of the given names; `None` where no list was given.
struct ListedIds {
    spaces: Option<Vec<u64>>,
    remove_spaces: Option<Vec<u64>>,
    courses: Option<Vec<u64>>,
    remove_courses: Option<Vec<u64>>,
}

impl Lists {
    /// # Errors
    /// A name that matches none or several; the message helps to choose.
    fn ids(&self, spaces: &SpacesAndCourses) -> anyhow::Result<ListedIds> {
        let ids = |kind, names: &[String]| -> anyhow::Result<Option<Vec<u64>>> {
            let given = names.iter().filter(|name| !name.is_empty());
            let ids = given.map(|name| {
                let id = spaces.named(kind, name);
                id.map_err(|why| anyhow!(show::unclear(kind, name, &why)))
            });
            let ids: Vec<u64> = ids.collect::<Result<_, _>>()?;
            Ok((!names.is_empty()).then_some(ids))
        };
        Ok(ListedIds {
            spaces: ids(Kind::Space, &self.spaces)?,
            remove_spaces: ids(Kind::Space, &self.remove_spaces)?,
            courses: ids(Kind::Course, &self.courses)?,
            remove_courses: ids(Kind::Course, &self.remove_courses)?,
        })
    }
}

impl ListedIds {
    /// The settings with the given changes; the rest stays as it was.
    fn edit(
        &self,
        before: WebhookSettings,
        title: Option<&str>,
        welcome_email: Option<bool>,
    ) -> WebhookSettings {
        let ids = |given: &Option<Vec<u64>>, before| given.clone().unwrap_or(before);
        WebhookSettings {
            title: title.map_or(before.title, ToOwned::to_owned),
            space_ids: ids(&self.spaces, before.space_ids),
            remove_space_ids: ids(&self.remove_spaces, before.remove_space_ids),
            course_ids: ids(&self.courses, before.course_ids),
            remove_course_ids: ids(&self.remove_courses, before.remove_course_ids),
            welcome_email: welcome_email.unwrap_or(before.welcome_email),
        }
    }
}
