//! FluentCommunity's own rules and rows: webhook records, profiles, memberships and what follows from them. Mirrors core
//! 2.8.1 and the webhook module of Pro 2.1.0.

pub mod action_scheduler;
pub mod course_emails;
pub mod features;
pub mod markdown;
pub mod memberships;
pub mod space_ids;
pub mod username;
pub mod webhook;
pub mod webhooks;
pub mod xprofile;
