//! What does a sender's body become with the webhook's source? Read as if it came now, without asking for a signature; then tried.

use actix_web::http::StatusCode;
use minijinja::{Value, context};

use super::super::fields::Fields;
use super::super::trial::{Body, call, read};
use super::answer::{Answer, Trouble};
use super::text::number;
use super::trial::rehearse;
use super::visit::Visit;
use super::webhook::{self, Results, source_of};
use crate::source::{Field, Mapped, Source};

pub(super) async fn try_body(visit: &Visit, id: u64) -> Result<Answer, Trouble> {
    visit.change()?;
    let source = source_of(visit, id).ok_or_else(|| {
        let title = format!("Webhook {id} has no source");
        let why = "Its table [source.NAME] was taken out of the configuration meanwhile.";
        Trouble::NotFound(title, why)
    })?;
    let results = match mapped(visit, &source) {
        Ok((mapped, form)) => Results {
            mapped: Some(fields(&source, &mapped)),
            plan: Some(
                rehearse(visit, id, move |key, now| {
                    call(key, Some(&source), form, now)
                })
                .await?,
            ),
        },
        Err(end) => Results {
            mapped: Some(context! { end => end.text, is_bad => end.is_bad }),
            plan: None,
        },
    };
    webhook::page(visit, id, None, results, StatusCode::OK).await
}

/// Why a body leads to no call.
struct End {
    text: String,
    is_bad: bool,
}

fn mapped(visit: &Visit, source: &Source) -> Result<(Mapped, Fields), End> {
    let end = |is_bad, text: String| Err(End { text, is_bad });
    let body = visit.given("body").unwrap_or_default();
    let longest = visit.front.rules.borrow().max_body_bytes;
    if body.len() > longest {
        let longest = number(longest as u64);
        let text = format!(
            "It is too long: a call with it gets 413. limits.max_body_bytes allows {longest} bytes."
        );
        return end(true, text);
    }
    let headers = match headers(visit.given("headers").unwrap_or_default()) {
        Ok(headers) => headers.into(),
        Err(line) => {
            return end(
                true,
                format!("“{line}” is no header: write it as name: value."),
            );
        }
    };
    let most = visit.console.config.borrow().limits.max_fields;
    match read(source, body.as_bytes(), headers, most) {
        Ok(Body::Call(mapped, form)) => Ok((mapped, form)),
        Ok(Body::Ping) => end(
            false,
            "It is the sender’s test: answered with 200, and nothing is executed.".to_owned(),
        ),
        Ok(Body::Ignored) => {
            let condition = source.only_if.as_ref().map_or("", |one| one.as_str());
            let text = format!(
                "It would be ignored, and answered with 200: this does not hold: {condition}"
            );
            end(false, text)
        }
        Err(error) => end(true, error.to_string()),
    }
}

/// Headers with names in lower case, one in each line; or the line that is none.
fn headers(text: &str) -> Result<Vec<(String, String)>, &str> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let (name, value) = line.split_once(':').ok_or(line)?;
            Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect()
}

/// What each field became, and why.
fn fields(source: &Source, mapped: &Mapped) -> Value {
    let fields = Field::ALL.map(|field| {
        let found = mapped.fields.iter().find(|(one, ..)| *one == field);
        context! {
            name => field.name(),
            is_set => found.is_some(),
            value => found
                .filter(|_| field != Field::UserPassword)
                .map(|(_, value, _)| value),
            from => found.map(|(.., from)| from),
        }
    });
    context! {
        fields => fields.to_vec(),
        names_calls => source.idempotency.is_some(),
        call => mapped.name.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::headers;

    #[test]
    fn headers_stand_in_lines() {
        let text = "X-Topic: order.created\r\n\r\nx-at : 12:00 \n";
        let pairs = [("x-topic", "order.created"), ("x-at", "12:00")];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers(text), Ok(pairs.to_vec()));
        assert_eq!(headers(""), Ok(Vec::new()));
        assert_eq!(headers("a: b\nc"), Err("c"));
    }
}
