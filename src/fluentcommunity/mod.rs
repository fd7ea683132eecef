//! Implements FluentCommunity's rules and rows: webhook records, profiles, memberships and their side effects. Mirrors
//! core 2.8.1 and the webhook module of Pro 2.1.0.

pub mod action_scheduler;
pub mod course_emails;
pub mod features;
mod leaders;
pub mod markdown;
pub mod memberships;
pub mod space_ids;
pub mod username;
pub mod webhook;
pub mod webhooks;
pub mod xprofile;
