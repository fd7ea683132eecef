//! Management of webhook records: what the plugin's admin API and its page do. Mirrors `ProAdminController` of
//! FluentCommunity Pro 2.1.0; where that loses data or shows too much, see `change` and docs/differences.md.
//!
//! `record` is the serialised value, `rows` reads, `change` writes, `old_keys` remembers keys that were replaced.

mod change;
mod key;
pub mod old_keys;
mod permission;
mod portal;
mod record;
mod rows;
mod targets;

pub use change::{ChangeError, Drafted, Rotated, create, delete, rotate, update};
pub use permission::may_manage;
pub use portal::{Portal, PortalOverrides};
pub use record::{Settings, json};
pub use rows::{Environment, Row, find, list};
pub use targets::{Kind, Target, Targets};
