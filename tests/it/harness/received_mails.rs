//! Mails received by the mail server, in the format of the recordings.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use blake2::Blake2bMac;
use blake2::digest::consts::U30;
use blake2::digest::{KeyInit, Mac};
use fcom_sidecar::sample::mailbox::{Mailbox, Received};
use mailparse::{MailHeaderMap, parse_mail};
use phpass::PhPass;
use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::site::Site;

/// Waits until no promised mail is left to send, and returns the received mails; asserts that each mail's key matches
/// the hash that WordPress finds with its user. Records the keys as secrets.
pub(crate) async fn delivered(site: &Site, client: &Client, mailbox: &mut Mailbox) -> Vec<Value> {
    let pending = "SELECT COUNT(*) FROM wp_fcom_sidecar_mail WHERE state = 'pending'";
    site.goes(pending).await;
    let mut mails = Vec::new();
    while let Some(mail) = mailbox.take() {
        mails.push(read(site, client, &mail).await);
    }
    // Two senders may overtake each other.
    mails.sort_by_key(|mail| mail["to"].to_string());
    mails
}

/// The recording in the same format: ordered by recipient.
pub(crate) fn recorded(mails: &[Value]) -> Value {
    let mut mails = mails.to_vec();
    for mail in &mut mails {
        mail["content_type"] = media_type(mail["content_type"].as_str().unwrap()).into();
    }
    mails.sort_by_key(|mail| mail["to"].to_string());
    mails.into()
}

async fn read(site: &Site, client: &Client, mail: &Received) -> Value {
    let parsed = parse_mail(mail.message.as_bytes()).unwrap();
    let header = |name: &str| parsed.headers.get_first_value(name).unwrap_or_default();
    let body = parsed.get_body().unwrap().replace("\r\n", "\n");
    let (before, rest) = body.split_once("key=").unwrap();
    let key: String = rest
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    assert_eq!(key.len(), 20, "{body}");
    client.record(std::slice::from_ref(&key));
    let user = format!(
        "SELECT user_activation_key FROM wp_users WHERE user_email = '{}'",
        mail.to[0].replace('\'', "''")
    );
    let stored = site.text(&user).await.unwrap();
    assert!(
        is_hash_of(&stored, &key),
        "{stored} is not of the key in the mail"
    );
    json!({
        "envelope_from": mail.from,
        "to": mail.to,
        "from": header("From"),
        "subject": header("Subject"),
        "content_type": media_type(&header("Content-Type")),
        "body": format!("{before}key=@plainkey{}", &rest[key.len()..]),
    })
}

/// Checks the key of a link as WordPress does.
fn is_hash_of(stored: &str, key: &str) -> bool {
    let (_, hash) = stored.split_once(':').unwrap();
    let Some(fast) = hash.strip_prefix("$generic$") else {
        return PhPass::try_from(hash).is_ok_and(|hash| hash.verify(key).is_ok());
    };
    let mut mac = Blake2bMac::<U30>::new_from_slice(b"wp_fast_hash_6.8+").unwrap();
    mac.update(key.as_bytes());
    URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()) == fast
}

/// Ignores case and quotes.
fn media_type(text: &str) -> String {
    text.to_lowercase().replace('"', "")
}
