//! What would a call do with these fields? Carried out to the end, then rolled back.

use std::sync::Arc;

use actix_web::http::StatusCode;
use chrono::{DateTime, Utc};

use super::super::fields::Fields;
use super::super::trial::{FIELDS, answer, call};
use super::answer::{Answer, Trouble};
use super::visit::Visit;
use super::webhook::{self, Results};
use crate::operations::record::RecordError;
use crate::operations::trial::{Trial, webhook_key};
use crate::provision::{WebhookCall, WebhookKey};
use crate::telemetry;

pub(super) async fn try_call(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.change()?;
    let mut form = Fields::new(FIELDS.len());
    for field in FIELDS {
        if let Some(value) = visit.given(field) {
            // There are no more fields than the form has room for.
            let _ = form.push(field.as_bytes(), value.as_bytes().to_vec());
        }
    }
    let source = webhook::source_of(visit, id);
    let tried = rehearse(visit, id, move |key, now| {
        call(key, source.as_ref(), form, now)
    });
    let tried = tried.await?;
    let results = Results {
        plan: Some(tried),
        mapped: None,
    };
    webhook::page(visit, id, None, results, StatusCode::OK).await
}

/// Carries out the call that is made for this webhook's key, and rolls it back.
pub(super) async fn rehearse(
    visit: &Visit,
    id: u64,
    call: impl FnOnce(WebhookKey, DateTime<Utc>) -> WebhookCall + Send + 'static,
) -> Result<Trial, Trouble> {
    let inside = visit.front.clone();
    let mail = Arc::clone(&visit.front.mail_text.borrow());
    let work = async move {
        let site = &inside.site;
        let name = id.to_string();
        let key = site
            .pool
            .work(async |connection| webhook_key(connection, &site.statements, &name).await);
        let key = match key.await {
            Ok(Some((_, key))) => key,
            Err(RecordError::Database(error)) => return Err(Trouble::from(error)),
            Ok(None) | Err(_) => {
                let title = format!("There is no webhook {id}");
                return Err(Trouble::NotFound(title, "Somebody may have deleted it."));
            }
        };
        let call = call(key, site.clock.now());
        let trial = Trial::of(&inside.calls, call, answer, &mail).await;
        trial.map_err(|error| {
            let reason = telemetry::chain(&error);
            tracing::warn!("a call could not be tried now: {reason}");
            Trouble::NotNow("The call cannot be tried now; the sidecar’s log says why.".to_owned())
        })
    };
    let front = &visit.front;
    let trial = front.on_main_runtime(front.tasks.track_future(work)).await;
    trial.ok_or(Trouble::Aborted)?
}
