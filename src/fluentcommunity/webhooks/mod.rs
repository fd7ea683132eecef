//! Manages webhook records as the plugin's admin API and admin page do. Mirrors `ProAdminController` of FluentCommunity
//! Pro 2.1.0; for the places where that loses data or reveals too much, see `change` and docs/differences.md.
//!
//! `record` builds the serialised value, `rows` reads, `change` writes, `old_keys` keeps replaced keys.

mod change;
mod key;
pub mod old_keys;
mod permission;
mod portal;
mod record;
mod rows;
mod spaces;

pub use change::{ChangeContext, ChangeError, Rotated, create, delete, rotate, update};
pub use permission::{may_look, may_manage};
pub use portal::{Portal, PortalOptions, PortalOverrides};
pub use record::{WebhookSettings, json};
pub use rows::{Environment, WebhookRow, find, list};
pub use spaces::{Kind, SpaceOrCourse, SpacesAndCourses, UnclearName};
