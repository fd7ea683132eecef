//! What the must-use plugin asks for the dashboard and Site Health of wp-admin.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use serde::Serialize;

use super::super::Front;
use super::check::FRESH;
use super::desk::Console;
use super::mask::mask;
use crate::check::Status;
use crate::events::plugin_digest;

/// All of it is in memory, but for the findings of a check that was asked for.
#[derive(Serialize)]
struct Standing {
    version: &'static str,
    /// SHA-256 of the file of the plugin that belongs to this release.
    plugin: String,
    /// Why calls are not executed, and what to do.
    trouble: Option<Trouble>,
    mails_given_up: u64,
    hooks_given_up: u64,
    /// What `check` complains about; `null` if it was not asked for.
    complaints: Option<Vec<Trouble>>,
}

#[derive(Serialize)]
struct Trouble {
    what: String,
    remedy: String,
    is_bad: bool,
}

impl Trouble {
    fn new(what: &str, remedy: Option<&str>, is_bad: bool) -> Self {
        Self {
            what: mask(what).into_owned(),
            remedy: mask(remedy.unwrap_or_default()).into_owned(),
            is_bad,
        }
    }
}

pub(super) async fn show(
    front: &web::Data<Front>,
    console: &web::Data<Console>,
    with_check: bool,
) -> HttpResponse {
    let report = if with_check {
        let console = Arc::clone(&console.clone().into_inner());
        console.report(front, FRESH).await
    } else {
        None
    };
    let complaints = report.map(|(_, report)| {
        let complaints = report.checks.iter().filter(|one| one.status > Status::Ok);
        let complaints = complaints.map(|one| {
            let what = format!("{}: {}", one.name, one.found);
            Trouble::new(&what, one.remedy.as_deref(), one.status == Status::Failed)
        });
        complaints.collect()
    });
    let glance = front.metrics.glance();
    let reason = front.site.readiness.reason();
    HttpResponse::Ok().json(Standing {
        version: env!("CARGO_PKG_VERSION"),
        plugin: plugin_digest(),
        trouble: reason.map(|reason| Trouble::new(&reason.what, reason.remedy.as_deref(), true)),
        mails_given_up: glance.mails_dead,
        hooks_given_up: glance.hooks_dead,
        complaints,
    })
}
