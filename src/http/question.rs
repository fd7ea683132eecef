//! Answers who asks about a webhook's address without calling it, as shops and form builders do before they save one.
//!
//! HEAD tells whether the key opens a webhook. So does GET, but never with 200: who sends calls by GET would take it for
//! success, and they do nothing. A wrong key costs and counts as that of a call does.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::Method;

use super::action::is_webhook_action;
use super::client::Client;
use super::fields::Fields;
use super::front::Front;
use super::reply::{Refused, Replies};
use super::rules::CallerRules;
use crate::outcome::Outcome;
use crate::provision::{self, ProvisionError, WebhookKey};

/// How somebody asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Head,
    Get,
    Options,
}

impl Question {
    /// `None` for a call, and for what is no webhook's address. There is no body to look for the action in.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        let question = match *request.method() {
            Method::HEAD => Self::Head,
            Method::GET => Self::Get,
            Method::OPTIONS => Self::Options,
            _ => return None,
        };
        is_webhook_action(request.query_string(), &Fields::new(0)).then_some(question)
    }

    /// The answer.
    pub(super) async fn answer(
        self,
        key: WebhookKey,
        front: &Front,
        rules: &CallerRules,
        client: Client,
        replies: Replies,
    ) -> Refused {
        let place = match front.place(&key).await {
            Ok(place) => place,
            Err((outcome, message)) => return replies.unavailable(outcome, message),
        };
        let site = Arc::clone(&front.site);
        let opens = front.on_main_runtime(async move {
            let _place = place;
            provision::opens(&site, &key).await
        });
        match opens.await {
            Some(Ok(true)) if self == Self::Head => replies.right_address(),
            Some(Ok(true)) => replies.not_by_get(),
            Some(Ok(false)) => {
                rules
                    .limiter
                    .note_unknown_key(rules.stranger(client.address));
                replies.refusal(&ProvisionError::UnknownWebhook)
            }
            Some(Err(error)) => replies.refusal(&error.into()),
            None => replies.unavailable(Outcome::Failed, "The server is shutting down"),
        }
    }
}
