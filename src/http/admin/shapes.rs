//! The request and response bodies of webhook management, key by key as in the plugin, and their schemas.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::pages::Paginator;
use crate::fluentcommunity::webhooks::{Kind, SpaceOrCourse, SpacesAndCourses, json};
use crate::operations::webhooks::ManagedWebhook;

/// A webhook.
#[derive(Serialize, ToSchema)]
#[schema(as = Listed)]
pub(super) struct ListedWebhook {
    pub(super) id: u64,
    pub(super) object_type: String,
    pub(super) object_id: Option<i64>,
    /// The key. Whoever knows it can call the webhook.
    pub(super) meta_key: String,
    /// The record: `title`, `course_ids`, `space_ids`, `remove_course_ids`, `remove_space_ids`, `send_wp_welcome_email`
    /// and, after the first run, `running_count`.
    #[schema(value_type = Value)]
    pub(super) value: Value,
    /// Local to the site.
    pub(super) created_at: Option<String>,
    /// Local to the site.
    pub(super) updated_at: Option<String>,
    pub(super) webhook_url: String,
}

/// The same webhook, with its keys in the order of the plugin's response to a creation.
#[derive(Serialize)]
pub(super) struct CreatedWebhook {
    pub(super) value: Value,
    pub(super) object_type: String,
    pub(super) meta_key: String,
    pub(super) updated_at: Option<String>,
    pub(super) created_at: Option<String>,
    pub(super) id: u64,
    pub(super) webhook_url: String,
}

#[derive(Serialize, ToSchema)]
pub(super) struct List {
    pub(super) webhooks: Paginator<ListedWebhook>,
    /// All courses, on page=1, if courses are on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) courses: Option<Vec<Choice>>,
    /// All spaces, on page=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) spaces: Option<Vec<Choice>>,
}

/// A space or course that a webhook may name.
#[derive(Serialize, ToSchema)]
pub(super) struct Choice {
    pub(super) id: u64,
    pub(super) title: String,
    pub(super) slug: String,
    pub(super) logo: Option<String>,
    /// As stored, without the defaults that the plugin adds.
    #[schema(value_type = Value)]
    pub(super) settings: Value,
}

/// A webhook as it shall be. Lists that are not sent are empty, but for those of courses while courses are off.
#[derive(ToSchema)]
#[expect(dead_code, reason = "what describes the body; draft.rs reads it")]
pub(super) struct Save {
    /// The webhook to change; 0 or none for a new one.
    id: Option<u64>,
    #[schema(pattern = r"\S", min_length = 1)]
    title: String,
    space_ids: Option<Ids>,
    remove_space_ids: Option<Ids>,
    course_ids: Option<Ids>,
    remove_course_ids: Option<Ids>,
    send_wp_welcome_email: Option<Mail>,
}

/// The same from a form, where lists may be written as `space_ids[]`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "what describes the body; draft.rs reads it")]
pub(super) struct SaveForm {
    #[schema(required = false)]
    id: u64,
    #[schema(pattern = r"\S", min_length = 1)]
    title: String,
    #[schema(required = false)]
    space_ids: Ids,
    #[schema(required = false)]
    remove_space_ids: Ids,
    #[schema(required = false)]
    course_ids: Ids,
    #[schema(required = false)]
    remove_course_ids: Ids,
    #[schema(required = false)]
    send_wp_welcome_email: YesOrNo,
}

/// Of spaces or courses. Of those that there are, as ids or digits; one alone counts as a list.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "what describes the body")]
enum Ids {
    Several(Vec<u64>),
    One(u64),
}

/// `no` if it is not sent.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "what describes the body")]
enum Mail {
    Word(YesOrNo),
    Flag(bool),
}

/// `no` if it is not sent.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "what describes the body")]
pub(super) enum YesOrNo {
    Yes,
    No,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Saved {
    pub(super) message: &'static str,
    #[schema(value_type = ListedWebhook)]
    pub(super) webhook: Value,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Said {
    pub(super) message: &'static str,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "what describes the body")]
pub(super) struct Rotate {
    /// How long the old key stays valid; else as `admin.old_key_hours` says. With 0, no earlier key is valid any more.
    #[schema(minimum = 0, maximum = 8760)]
    pub(super) grace_hours: Option<u16>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct Rotated {
    pub(super) message: &'static str,
    pub(super) webhook: ListedWebhook,
    /// UTC.
    pub(super) old_key_valid_until: String,
}

pub(super) fn listed(ManagedWebhook { row, url }: ManagedWebhook) -> ListedWebhook {
    ListedWebhook {
        id: row.id,
        object_type: row.object_type,
        object_id: row.object_id,
        webhook_url: url,
        meta_key: String::from_utf8_lossy(&row.meta_key).into_owned(),
        value: json(row.value.as_deref()),
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}

pub(super) fn created(webhook: ListedWebhook) -> CreatedWebhook {
    CreatedWebhook {
        value: webhook.value,
        object_type: webhook.object_type,
        meta_key: webhook.meta_key,
        updated_at: webhook.updated_at,
        created_at: webhook.created_at,
        id: webhook.id,
        webhook_url: webhook.webhook_url,
    }
}

pub(super) fn choices(all: &SpacesAndCourses, kind: Kind) -> Vec<Choice> {
    let choice = |one: &SpaceOrCourse| Choice {
        id: one.id,
        title: one.title.clone(),
        slug: one.slug.clone(),
        logo: one.logo.clone(),
        settings: json(one.settings.as_deref()),
    };
    all.of(kind).map(choice).collect()
}
