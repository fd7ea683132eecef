//! A call of a webhook with a source, `[source.NAME]`: read in its sender's words instead of as PHP's form.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use chrono::{DateTime, Utc};

use super::fields::Fields;
use super::front::Front;
use super::refusal::form_seen;
use super::reply::{Refused, Replies};
use super::rules::CallerRules;
use super::signed::reads_one_way;
use crate::outcome::{EmailSent, Outcome};
use crate::provision::{self, Email, FieldNames, FormSeen, Ignored, SourceRead, WebhookKey};
use crate::source::{Field, Malformed, Mapped, Reading, Received, Source, Tree};

/// What a key leads to.
pub(super) enum Sought {
    /// To no webhook, although there are sources.
    NoWebhook(WebhookKey),
    /// Perhaps to a webhook with a source.
    Source(Option<Arc<Source>>),
    /// Nobody can say now, as this refusal tells. The source is that of the webhook that the key was last known to open.
    Unsaid(Option<Arc<Source>>, Refused),
}

/// Asks the database which webhook the key opens, but only while there are sources. A key that opens none is told at once, so
/// that nobody learns from how a body is refused whether a key is good, without its counting as a guess. While the database does not
/// say, a call is read all the same if its fields are to be kept.
pub(super) async fn source_of(
    key: Option<&WebhookKey>,
    front: &Front,
    rules: &CallerRules,
    replies: Replies,
) -> Result<Sought, Refused> {
    let Some(key) = key.filter(|_| !rules.sources.is_empty()) else {
        return Ok(Sought::Source(None));
    };
    let of = |id| rules.source_of(id).cloned();
    match webhook_of(key, front, replies).await {
        Ok(None) => Ok(Sought::NoWebhook(key.clone())),
        Ok(Some(id)) => {
            front.known_keys.note(key, id);
            Ok(Sought::Source(of(id)))
        }
        Err(refused) if refused.outcome.may_pass() && front.refused.keeping().is_some() => {
            let source = front.known_keys.last_webhook_of(key).and_then(of);
            Ok(Sought::Unsaid(source, refused))
        }
        Err(refused) => Err(refused),
    }
}

/// The webhook that the key opens.
async fn webhook_of(
    key: &WebhookKey,
    front: &Front,
    replies: Replies,
) -> Result<Option<u64>, Refused> {
    let place = front.place(key).await;
    let place = place.map_err(|(outcome, message)| replies.unavailable(outcome, message))?;
    let (site, asked) = (Arc::clone(&front.site), key.clone());
    let found = front.on_main_runtime(async move {
        let _place = place;
        provision::webhook_of(&site, &asked).await
    });
    match found.await {
        Some(Ok(id)) => Ok(id),
        Some(Err(error)) => Err(replies.refusal(&error.into())),
        None => Err(replies.unavailable(Outcome::Failed, "The server is shutting down")),
    }
}

/// A call in its sender's words.
pub(super) struct Sourced {
    /// What to remember of it if it is refused or ignored.
    pub(super) seen: FormSeen,
    /// What the source says about it.
    pub(super) read: SourceRead,
    /// The call's name, if its sender names calls.
    pub(super) name: Option<String>,
}

/// 400 for a body that cannot be read.
pub(super) fn malformed(malformed: Malformed, replies: Replies) -> Refused {
    let (outcome, status) = (Outcome::InvalidRequest, StatusCode::BAD_REQUEST);
    replies.refuse(outcome, status, malformed.to_string())
}

/// Reads a body with its source. `posted` is the form that it is to PHP, and becomes the one with the five fields.
pub(super) fn read(
    source: &Source,
    request: &HttpRequest,
    posted: &mut Fields,
    is_json: bool,
    body: &[u8],
    at: DateTime<Utc>,
) -> Result<Sourced, Malformed> {
    let form = (!is_json).then(|| posted.take_pairs());
    let reading = source.read(Received {
        body,
        form,
        headers: headers(request),
        at,
        reads_one_way: reads_one_way(request, body),
    });
    let mut read = SourceRead::of(source);
    let mut name = None;
    let seen = match reading {
        Reading::Malformed(malformed) => return Err(malformed),
        Reading::Unsigned(flaw) => {
            read.flaw = Some(flaw);
            nothing(posted)
        }
        Reading::Ping => {
            read.ignored = Some(Ignored::Ping);
            nothing(posted)
        }
        Reading::Ignored(tree) => {
            read.ignored = Some(Ignored::OnlyIf);
            *posted = Fields::new(0);
            FormSeen {
                email: EmailSent::Missing,
                names: paths(&tree),
            }
        }
        Reading::Call(mapped) => {
            let seen = fill(source, &mapped, is_json, posted);
            name = mapped.name;
            seen
        }
    };
    Ok(Sourced { seen, read, name })
}

/// Forgets the fields, except for what is remembered of a refused call.
fn nothing(posted: &mut Fields) -> FormSeen {
    let seen = form_seen(posted);
    *posted = Fields::new(0);
    seen
}

/// Tidies the address of PHP's own form, if it is text.
pub(super) fn tidy(source: &Source, posted: &mut Fields) {
    let email = posted.text("email").map(<[u8]>::to_vec);
    let is_wanted = source.trim_email || source.lower_case_email;
    if let Some(Ok(email)) = email.filter(|_| is_wanted).map(String::from_utf8) {
        posted.replace(b"email", source.tidy_email(email).into_bytes());
    }
}

/// The paths of the values, as a mapping names them.
fn paths(tree: &Tree) -> FieldNames {
    let mut names = FieldNames::default();
    tree.each_path(&mut |path| names.note(path.as_bytes()));
    names
}

/// Fills the five fields in. `posted` is what the body is to PHP, whose rules hold for its own five fields where nothing is mapped.
pub(super) fn fill(
    source: &Source,
    mapped: &Mapped,
    is_json: bool,
    posted: &mut Fields,
) -> FormSeen {
    if source.fields.is_none() && !is_json {
        tidy(source, posted);
        return form_seen(posted);
    }
    let mut fields = Fields::new(Field::ALL.len());
    let mut email = EmailSent::Missing;
    for (field, value, _) in &mapped.fields {
        let mut value = value.clone();
        if *field == Field::Email {
            value = source.tidy_email(value);
            email = Email::sent(value.as_bytes());
        }
        fields.replace(field.name().as_bytes(), value.into_bytes());
    }
    *posted = fields;
    let names = paths(&mapped.tree);
    FormSeen { email, names }
}

/// The headers that are text and there once.
fn headers(request: &HttpRequest) -> Arc<[(String, String)]> {
    let headers = request.headers();
    let once = headers.keys().filter_map(|name| {
        let mut values = headers.get_all(name);
        let value = values.next()?.to_str().ok()?;
        let is_only = values.next().is_none();
        is_only.then(|| (name.as_str().to_owned(), value.to_owned()))
    });
    once.collect()
}
