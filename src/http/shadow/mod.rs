//! Shadow mode: every request to the public listener goes to PHP, whose answer the caller gets. What the sidecar would have done is
//! computed before and compared afterwards, by `provision::shadow`.

mod php;
mod target;
mod wanted;

use std::io;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BodyStream, BoxBody, MessageBody, SizedStream};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::time::timeout_at;
use tracing::Instrument;

use self::php::{Answer, Message, Php, PhpError};
pub use self::target::Shadow;
use self::wanted::wanted;
use super::form::read_body;
use super::front::{Front, OVERLOADED};
use super::refusal::request_id;
use super::reply::Replies;
use super::rules::CallerRules;
use super::trial;
use crate::outcome::{Outcome, Verdict};
use crate::provision::shadow::{Heard, Shadowing, Wanted};
use crate::telemetry;

/// Bytes of an answer that are kept for the comparison.
const KEPT: usize = 64 << 10;
/// Pieces of an answer that wait for the caller.
const PIECES: usize = 16;
const TOO_MANY: &str = "there were too many calls at once";

/// The beginning of an answer; its body follows piece by piece.
struct Begun {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    length: Option<u64>,
    pieces: mpsc::Receiver<io::Result<Bytes>>,
}

/// Answers any request to the public listener.
pub(super) async fn handle(
    request: HttpRequest,
    payload: web::Payload,
    front: web::Data<Front>,
) -> HttpResponse {
    let replies = Replies {
        version: front.site.version.known(),
    };
    let _under_way = front.requests.token();
    let rules = Arc::clone(&front.rules.borrow());
    match &front.shadow {
        Some(shadow) => pass_on(shadow, &request, payload, &front, &rules, replies).await,
        None => no_answer(replies, StatusCode::BAD_GATEWAY),
    }
}

/// Has PHP answer it.
async fn pass_on(
    shadow: &Shadow,
    request: &HttpRequest,
    payload: web::Payload,
    front: &web::Data<Front>,
    rules: &CallerRules,
    replies: Replies,
) -> HttpResponse {
    if front.draining.is_cancelled() && !front.hands_over {
        let message = "The server is shutting down";
        return replies.unavailable(Outcome::ShuttingDown, message).response;
    }
    if shadow.mark.is_on(request) {
        if shadow.circles.is_due() {
            tracing::error!(
                "shadow.php leads back to the sidecar: name an address at which PHP answers without it. Calls get 508"
            );
        }
        let message = "The request came back to where it was passed on from";
        let status = StatusCode::LOOP_DETECTED;
        return replies.refuse(Outcome::Failed, status, message).response;
    }
    let Ok(way) = Arc::clone(&shadow.ways).try_acquire_owned() else {
        return replies
            .unavailable(Outcome::Overloaded, OVERLOADED)
            .response;
    };
    let body = match read_body(payload, rules.max_body_bytes, replies).await {
        Ok(body) => body,
        Err(refused) => return refused.response,
    };
    let wanted = wanted(request, &body, front, rules);
    let Some(message) = Message::of(request, body, &shadow.mark) else {
        let message = "The address of the request is none";
        return replies
            .refuse(Outcome::InvalidRequest, StatusCode::BAD_REQUEST, message)
            .response;
    };
    let passage = Passage {
        way,
        front: front.clone().into_inner(),
        php: shadow.php.clone(),
        room: Arc::clone(&shadow.room).try_acquire_owned().ok(),
        request_id: request_id(request),
    };
    let (begun, answered) = oneshot::channel();
    // On the main runtime: the comparison goes on when the caller has gone.
    let work = passage.go(message, wanted, begun).in_current_span();
    front.tasks.spawn_on(work, &front.runtime);
    match answered.await {
        Ok(Ok(begun)) => begun.response(),
        Ok(Err(PhpError::Slow)) => no_answer(replies, StatusCode::GATEWAY_TIMEOUT),
        _ => no_answer(replies, StatusCode::BAD_GATEWAY),
    }
}

fn no_answer(replies: Replies, status: StatusCode) -> HttpResponse {
    let message = "There is no answer from PHP";
    replies.refuse(Outcome::Failed, status, message).response
}

impl Begun {
    fn response(self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        for header in self.headers {
            response.append_header(header);
        }
        let pieces = stream::unfold(self.pieces, |mut pieces| async {
            let piece = pieces.recv().await?;
            Some((piece, pieces))
        });
        let pieces = Box::pin(pieces);
        let body: BoxBody = match self.length {
            Some(length) => SizedStream::new(length, pieces).boxed(),
            None => BodyStream::new(pieces).boxed(),
        };
        response.body(body)
    }
}

/// A request on its way to PHP.
struct Passage {
    front: Arc<Front>,
    php: Php,
    /// Whose number is limited: a caller who has gone no longer counts as one.
    way: OwnedSemaphorePermit,
    /// Room for the comparison.
    room: Option<OwnedSemaphorePermit>,
    request_id: Option<Arc<str>>,
}

impl Passage {
    async fn go(
        self,
        message: Message,
        wanted: Option<Wanted>,
        begun: oneshot::Sender<Result<Begun, PhpError>>,
    ) {
        let shadowing = match wanted {
            Some(wanted) => self.rehearse(wanted).await,
            None => None,
        };
        let asked = Instant::now();
        let asking = self.php.ask(message).await;
        // Before the answer, so that there are no more tasks than callers.
        let shadowing = match shadowing {
            Some(shadowing) if self.room.is_none() => {
                let why = Err(TOO_MANY.to_owned());
                let verdict = shadowing.end(why, milliseconds(asked)).await;
                self.front.metrics.shadowed(verdict);
                None
            }
            shadowing => shadowing,
        };
        let (heard, status) = match asking {
            Ok(answer) => {
                let status = answer.status.as_u16();
                let heard = self.pass_back(answer, begun, shadowing.is_some()).await;
                (heard, Some(status))
            }
            Err(error) => {
                let why = telemetry::chain(&error);
                // Nobody listens if the caller has gone.
                let _ = begun.send(Err(error));
                (Err(why), None)
            }
        };
        let php_ms = milliseconds(asked);
        match (&heard, status) {
            (Err(why), None) => {
                tracing::warn!(
                    php_ms,
                    "no answer from PHP for a call in shadow mode: {why}"
                );
            }
            (_, status) => tracing::info!(
                status,
                php_ms,
                "PHP answered with {} in {php_ms} ms",
                status.unwrap_or_default()
            ),
        }
        let Self {
            way,
            room: _room,
            front,
            ..
        } = self;
        drop(way);
        let Some(shadowing) = shadowing else { return };
        let verdict = shadowing.end(heard, php_ms).await;
        front.metrics.shadowed(verdict);
        if verdict == Verdict::Unexplained {
            tracing::info!(
                "PHP did what the sidecar would not: \"fcom-sidecar shadow report\" tells more"
            );
        }
    }

    async fn rehearse(&self, wanted: Wanted) -> Option<Shadowing> {
        let front = &self.front;
        let is_key_known = front.known_keys.contains_by_now(wanted.key()).await;
        let (wanted, _place) = match wanted {
            Wanted::Call(call, sent, _) if self.room.is_none() => {
                (Wanted::Call(call, sent, Some(TOO_MANY)), None)
            }
            Wanted::Call(call, sent, _) => {
                let place = front.place(&call.key).await;
                let why = place.as_ref().err().map(|(_, why)| *why);
                (Wanted::Call(call, sent, why), place.ok())
            }
            agreed @ Wanted::Agreed(..) => (agreed, None),
        };
        let calls = Arc::clone(&front.calls);
        let request_id = self.request_id.clone();
        Shadowing::begin(calls, wanted, is_key_known, request_id, trial::answer).await
    }

    /// Gives the caller PHP's answer; returns the beginning of it.
    async fn pass_back(
        &self,
        mut answer: Answer,
        begun: oneshot::Sender<Result<Begun, PhpError>>,
        is_compared: bool,
    ) -> Result<Heard, String> {
        let has = |name: HeaderName, value: &[u8]| {
            let header = answer.header(name.as_str());
            header.is_some_and(|header| header.as_bytes().starts_with(value))
        };
        let is_json = has(CONTENT_TYPE, b"application/json");
        let is_encoded = has(CONTENT_ENCODING, b"");
        let (sender, pieces) = mpsc::channel(PIECES);
        let _ = begun.send(Ok(Begun {
            status: answer.status,
            headers: std::mem::take(&mut answer.headers),
            length: answer.length(),
            pieces,
        }));
        let mut kept = Vec::new();
        loop {
            match answer.piece().await {
                Ok(Some(piece)) => {
                    let room = if is_compared { KEPT - kept.len() } else { 0 };
                    kept.extend_from_slice(&piece[..piece.len().min(room)]);
                    // The caller may have gone; PHP's answer is read to its end all the same. Whoever takes it too slowly gets half.
                    let _ = timeout_at(answer.deadline, sender.send(Ok(piece))).await;
                }
                Ok(None) => break,
                Err(error) => {
                    let why = telemetry::chain(&error);
                    let _ = sender
                        .send(Err(io::Error::other("PHP's answer broke off")))
                        .await;
                    return Err(why);
                }
            }
        }
        Ok(Heard {
            status: answer.status.as_u16(),
            is_json,
            body: (!is_encoded).then_some(kept),
        })
    }
}

fn milliseconds(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX)
}
