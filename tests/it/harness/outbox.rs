//! Daemons that send mail, and the state of their outbox.

use crate::harness::eventually::eventually;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

/// Short intervals between retries.
pub(crate) const PACE: [(&str, &str); 4] = [
    ("FCOM_SIDECAR__MAIL__FIRST_RETRY_SECONDS", "1"),
    ("FCOM_SIDECAR__MAIL__LONGEST_RETRY_SECONDS", "1"),
    ("FCOM_SIDECAR__MAIL__LEASE_SECONDS", "4"),
    ("FCOM_SIDECAR__SMTP__TIMEOUT_SECONDS", "1"),
];

pub(crate) async fn start(site: &Site, url: &str) -> Sidecar {
    let mut environment = PACE.to_vec();
    environment.push(("FCOM_SIDECAR__SMTP__URL", url));
    Sidecar::start_with(site, &environment).await
}

pub(crate) async fn create(sidecar: &Sidecar, email: &str) {
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", email)])
        .await;
}

/// Waits until a query returns this text.
pub(crate) async fn becomes(site: &Site, query: &str, expected: &str) {
    eventually(async || {
        let found = site.text(query).await;
        let is_there = found.as_deref() == Some(expected);
        is_there
            .then_some(())
            .ok_or_else(|| format!("{query}: {found:?} instead of {expected}"))
    })
    .await;
}

pub(crate) const LAST_STATE: &str =
    "SELECT state FROM wp_fcom_sidecar_mail ORDER BY id DESC LIMIT 1";
pub(crate) const LAST_WORDS: &str =
    "SELECT last_error FROM wp_fcom_sidecar_mail ORDER BY id DESC LIMIT 1";
pub(crate) const STATES: &str = "SELECT GROUP_CONCAT(DISTINCT state) FROM wp_fcom_sidecar_mail";

pub(crate) fn header<'a>(message: &'a str, name: &str) -> &'a str {
    let mut lines = message.lines().take_while(|line| !line.is_empty());
    lines
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
        .unwrap()
}

/// Waits until a mail is pending for this reason: its own, or that of all mails.
pub(crate) async fn waits_because(site: &Site, words: &str) {
    let waits = format!(
        "SELECT COUNT(*) FROM wp_fcom_sidecar_mail m WHERE m.state = 'pending' AND (m.last_error LIKE '%{words}%' \
         OR EXISTS (SELECT 1 FROM wp_fcom_sidecar_instances i WHERE i.mail_words LIKE '%{words}%'))"
    );
    becomes(site, &waits, "1").await;
}
