//! Shared tools for the test cases.
//!
//! A case starts from [`site::Site`] (a database from a fixture) and [`sidecar::Sidecar`] (the daemon on it, with a
//! [`client::Client`]). [`invariants`] checks what holds for any site at rest.

pub(crate) mod agreement;
pub(crate) mod check_report;
pub(crate) mod chrome;
pub(crate) mod claims;
pub(crate) mod client;
pub(crate) mod company;
pub(crate) mod compare;
pub(crate) mod crowd;
pub(crate) mod environment;
pub(crate) mod eventually;
pub(crate) mod front;
pub(crate) mod http;
pub(crate) mod invariants;
pub(crate) mod leaks;
pub(crate) mod management;
pub(crate) mod metrics;
pub(crate) mod nodes;
pub(crate) mod original;
pub(crate) mod outbox;
pub(crate) mod passwords;
pub(crate) mod process;
pub(crate) mod programs;
pub(crate) mod proxy;
pub(crate) mod received_mails;
pub(crate) mod recording;
pub(crate) mod replay;
pub(crate) mod router;
pub(crate) mod sidecar;
pub(crate) mod site;
pub(crate) mod smtp_peer;
pub(crate) mod snapshot;
pub(crate) mod tables;
pub(crate) mod watched;
pub(crate) mod webhook_record;
