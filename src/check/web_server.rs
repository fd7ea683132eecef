//! Checks whether webhook calls from outside reach the sidecar or PHP.
//!
//! The probe takes the route of a real call, with a key that no webhook has and a body that is not a form. It is never
//! executed: the sidecar rejects it with a message of its own before it looks up a webhook, so the probe does not count
//! as a guessed key either. PHP, which fills `$_POST` from forms only, shows the portal.

use std::error::Error;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Client, redirect};
use serde_json::Value;
use url::Url;

use super::answer::beginning;
use super::report::Finding;

pub(super) const WEB_SERVER: &str = "web-server";

/// The daemon's response to a body that is not a form, and so to the probe: no other server uses these words.
pub const FORM_WANTED: &str =
    "Send form data: application/x-www-form-urlencoded or multipart/form-data";

const PATIENCE: Duration = Duration::from_secs(10);
/// Enough of a page to tell which server wrote it.
const LONGEST_ANSWER: usize = 4096;

/// Sends the probe to the portal. In shadow mode PHP answers it along either way.
pub(super) async fn check(portal: &Url, in_shadow: bool) -> Finding {
    let query = [("fcom_action", "incoming_webhook")];
    match probe(portal, &query, "application/json", "{}").await {
        Ok(answer) => judge(portal, in_shadow, answer.status, &answer.body),
        // From this machine the site's name may resolve to another address, or to none: that is not an error.
        Err(error) => Finding::skipped(
            WEB_SERVER,
            format!("{portal} cannot be reached from here: {}", cause(&error)),
        ),
    }
}

/// The beginning of an answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Posts a body to the portal with a key that no webhook has.
pub(super) async fn probe(
    portal: &Url,
    query: &[(&str, &str)],
    kind: &'static str,
    body: &'static str,
) -> reqwest::Result<Answer> {
    // Fails if a provider is already installed, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder()
        .timeout(PATIENCE)
        .redirect(redirect::Policy::none())
        .build()?;
    let mut url = portal.clone();
    url.query_pairs_mut()
        .extend_pairs(query)
        .append_pair("webhook", &format!("check-{:016x}", rand::random::<u64>()));
    let request = client.post(url).header(CONTENT_TYPE, kind);
    let mut answer = request.body(body).send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = beginning(&mut answer, LONGEST_ANSWER).await?;
    Ok(Answer {
        status,
        headers,
        body,
    })
}

fn judge(portal: &Url, in_shadow: bool, status: u16, body: &[u8]) -> Finding {
    let words: Value = serde_json::from_slice(body).unwrap_or_default();
    let is_ours = words["status"] == "error";
    match (status, is_ours) {
        (415, true) if words["message"] == FORM_WANTED => Finding::ok(
            WEB_SERVER,
            format!("calls to {portal} arrive at the sidecar"),
        ),
        (429 | 503, true) => Finding::warning(
            WEB_SERVER,
            format!(
                "calls to {portal} seem to arrive at a sidecar, which is busy or stopping ({status})"
            ),
            "check again in a minute",
        ),
        (502..=504, _) => Finding::warning(
            WEB_SERVER,
            format!("the web server answers calls to {portal} with {status}"),
            "look at the web server's error log: it reaches neither the sidecar nor PHP",
        ),
        (508, true) if in_shadow => Finding::warning(
            WEB_SERVER,
            format!("calls to {portal} go in a circle: shadow.php leads back to the sidecar"),
            "set shadow.php to where the site's web server answers without passing through the sidecar",
        ),
        _ if in_shadow => Finding::skipped(
            WEB_SERVER,
            format!(
                "PHP answers calls to {portal} in shadow mode ({status}), whether or not they pass through the \
                 sidecar: \"fcom-sidecar shadow report\" counts those that do"
            ),
        ),
        _ => Finding::warning(
            WEB_SERVER,
            format!(
                "calls to {portal} arrive at PHP or elsewhere (answer {status}), not at the sidecar"
            ),
            "start the sidecar, and include the web server's configuration from deploy/",
        ),
    }
}

/// The root cause of an error, without the URL: it contains a key, though one that matches nothing.
pub(super) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = match error.source() {
        Some(source) => source,
        None if error.is_timeout() => return "no answer in time".to_owned(),
        None => return "the request failed".to_owned(),
    };
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sidecars_own_words_count_as_its_answer() {
        let portal = "https://community.example.com/portal/".parse().unwrap();
        let said =
            |message: &str| serde_json::json!({"status": "error", "message": message}).to_string();
        let page = "<!DOCTYPE html>".to_owned();
        for (status, body, expected, found) in [
            (415, said(FORM_WANTED), "Ok", "at the sidecar"),
            (503, said("shutting down"), "Warning", "busy or stopping"),
            (503, page.clone(), "Warning", "answers calls"),
            (502, page.clone(), "Warning", "answers calls"),
            (200, page.clone(), "Warning", "at PHP"),
            (302, String::new(), "Warning", "at PHP"),
            (415, page, "Warning", "at PHP or elsewhere"),
            (
                415,
                said("another's words"),
                "Warning",
                "at PHP or elsewhere",
            ),
        ] {
            let finding = format!("{:?}", judge(&portal, false, status, body.as_bytes()));
            let expected = format!("status: {expected}");
            assert!(
                finding.contains(&expected) && finding.contains(found),
                "{finding}"
            );
        }
    }

    #[test]
    fn in_shadow_mode_the_answer_of_php_accuses_nobody() {
        let portal = "https://community.example.com/portal/".parse().unwrap();
        let ours = r#"{"status":"error","message":"The request came back"}"#;
        for (status, body, expected, found) in [
            (200, "<!DOCTYPE html>", "Skipped", "shadow report"),
            (302, "", "Skipped", "shadow report"),
            (508, ours, "Warning", "leads back to the sidecar"),
            (502, ours, "Warning", "answers calls"),
        ] {
            let finding = format!("{:?}", judge(&portal, true, status, body.as_bytes()));
            let expected = format!("status: {expected}");
            assert!(
                finding.contains(&expected) && finding.contains(found),
                "{finding}"
            );
        }
    }
}
