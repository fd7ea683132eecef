//! The list of webhooks: what does a call do?

use std::sync::Arc;

use minijinja::{Value, context};
use sha2::{Digest, Sha256};

use super::answer::{Answer, Trouble};
use super::spaces::Titles;
use super::text::number;
use super::visit::Visit;
use crate::fluentcommunity::webhook::Webhook;
use crate::fluentcommunity::webhooks::{WebhookRow, json};
use crate::operations::webhooks::Webhooks;
use crate::provision::{Protection, WebhookKey};

pub(super) async fn list(visit: &Visit) -> Result<Answer, Trouble> {
    visit.database()?;
    let inside = visit.front.clone().into_inner();
    let work = async move {
        let webhooks = Webhooks {
            site: &inside.site,
            portal: &inside.portal,
        };
        webhooks.list(String::new(), true).await
    };
    let list = visit.front.on_main_runtime(work).await;
    let list = list.ok_or(Trouble::Aborted)??;
    let titles = Titles::of(list.spaces.as_ref().ok_or(Trouble::Aborted)?);
    let protections = Arc::clone(&visit.front.rules.borrow().protections);
    let shown: Vec<Shown> = list
        .webhooks
        .iter()
        .map(|webhook| Shown::of(&webhook.row, &protections))
        .collect();
    let readable = shown.iter().filter(|one| one.webhook.is_some()).count();
    let values = context! {
        webhooks => shown.iter().map(|one| one.value(&titles)).collect::<Vec<_>>(),
        readable,
        unreadable => shown.len() - readable,
    };
    Ok(Answer::page("webhooks.html", "Webhooks", values))
}

/// A webhook as the pages show it: without its key.
pub(super) struct Shown {
    pub(super) id: u64,
    /// `None` if its record is not readable.
    pub(super) webhook: Option<Webhook>,
    runs: u64,
    updated: Option<String>,
    fingerprint: Option<String>,
    protections: Vec<Protection>,
}

impl Shown {
    pub(super) fn of(row: &WebhookRow, protections: &[Protection]) -> Self {
        let webhook = Webhook::read(row.id, row.value.as_deref().unwrap_or_default()).ok();
        let record = json(row.value.as_deref());
        let of_it = |one: &&Protection| webhook.as_ref().is_some_and(|webhook| one.is_of(webhook));
        let runs = &record["running_count"];
        Self {
            id: row.id,
            runs: runs
                .as_u64()
                .or_else(|| runs.as_str()?.trim().parse().ok())
                .unwrap_or_default(),
            updated: row.updated_at.clone(),
            fingerprint: WebhookKey::parse(&row.meta_key).map(|key| key.fingerprint()),
            protections: protections.iter().filter(of_it).cloned().collect(),
            webhook,
        }
    }

    pub(super) fn title(&self) -> String {
        let title = self
            .webhook
            .as_ref()
            .map(|webhook| String::from_utf8_lossy(&webhook.title).into_owned());
        let title = title.filter(|title| !title.trim().is_empty());
        title.unwrap_or_else(|| format!("webhook {}", self.id))
    }

    /// Changes with everything that a form changes, and not with the count.
    pub(super) fn mark(&self) -> String {
        let Some(webhook) = &self.webhook else {
            return String::new();
        };
        let lists = [
            &webhook.space_ids,
            &webhook.course_ids,
            &webhook.remove_space_ids,
            &webhook.remove_course_ids,
        ];
        mark(
            &String::from_utf8_lossy(&webhook.title),
            &lists,
            webhook.welcome_email,
        )
    }

    pub(super) fn value(&self, titles: &Titles) -> Value {
        let ids = |of: fn(&Webhook) -> [&Vec<u64>; 2]| {
            let webhook = self.webhook.as_ref();
            let ids: Vec<u64> = webhook
                .into_iter()
                .flat_map(of)
                .flatten()
                .copied()
                .collect();
            (!ids.is_empty()).then(|| titles.row(&ids))
        };
        let signs = self.protections.iter().any(|one| one.secrets.is_some());
        let networks = self
            .protections
            .iter()
            .filter_map(|one| one.allowed_networks.as_ref());
        let networks: Vec<String> = networks.flatten().map(ToString::to_string).collect();
        let asks = match (signs, networks.is_empty()) {
            (false, true) => "key",
            (true, true) => "signature",
            (false, false) => "network",
            (true, false) => "signature, network",
        };
        let names = self
            .protections
            .iter()
            .map(|one| format!("[protection.{}]", one.name));
        context! {
            id => self.id,
            title => self.title(),
            is_readable => self.webhook.is_some(),
            joins => ids(|webhook| [&webhook.space_ids, &webhook.course_ids]),
            leaves => ids(|webhook| [&webhook.remove_space_ids, &webhook.remove_course_ids]),
            mails => self.webhook.as_ref().is_some_and(|webhook| webhook.welcome_email),
            runs => number(self.runs),
            updated => self.updated.as_deref(),
            fingerprint => self.fingerprint.as_deref(),
            asks,
            networks => (!networks.is_empty()).then(|| networks.join(", ")),
            protections => names.collect::<Vec<_>>().join(", "),
        }
    }
}

/// See [`Shown::mark`].
pub(super) fn mark(title: &str, lists: &[&Vec<u64>; 4], mail: bool) -> String {
    let mut hash = Sha256::new().chain_update(title);
    hash.update(format!("\0{lists:?}{mail}"));
    hex::encode(&hash.finalize()[..8])
}
