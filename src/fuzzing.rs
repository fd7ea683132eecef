//! Entry points for untrusted input, for the fuzz targets in `tests/fuzz` and for the test that runs their corpora.
//!
//! Each function panics if a property does not hold that must hold for any input.

use chrono::DateTime;
use secrecy::SecretSlice;

use crate::fluentcommunity::markdown::render_description;
use crate::fluentcommunity::username;
use crate::fluentcommunity::webhook::{Webhook, count_runs};
use crate::http::body::Kind;
use crate::http::fields::Fields;
use crate::http::query::{query_first_scalar, query_parameter};
use crate::provision::{Email, Idempotency, Signed, WebhookKey};
use crate::source::{Bodies, Condition, Field, Origin, Reading, Received, Rule, Source, Tree};
use crate::wordpress::catalogue::Catalogue;
use crate::wordpress::php;
use crate::wordpress::roles::{capabilities_value, user_level};
use crate::wordpress::sanitize::email::{is_email, sanitize_email};
use crate::wordpress::sanitize::user_name::sanitize_user;
use crate::wordpress::sanitize::{Rules, accents, meta_value, name, nicename};

/// A target: its name, which is also the name of its corpus folder, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 12] = [
    ("form", form),
    ("multipart", multipart),
    ("forwarded", forwarded),
    ("signed", signed),
    ("source", source),
    ("php_data", php_data),
    ("user", user),
    ("names", names),
    ("markdown", markdown),
    ("biography", biography),
    ("smtp", smtp),
    ("wp_config", wp_config),
];

const MOST_FIELDS: usize = 50;

/// A body and a query string.
pub fn form(data: &[u8]) {
    if let Ok(fields) = Fields::parse_urlencoded(data, MOST_FIELDS) {
        assert!(fields.len() <= MOST_FIELDS);
        for name in ["email", "fcom_action", "user_password"] {
            let is_text = fields.text(name).is_some();
            assert!(!is_text || fields.get(name).is_some());
        }
    }
    let query = String::from_utf8_lossy(data);
    let parameter = query_parameter(&query, "webhook").is_some();
    let first = query_first_scalar(&query, "webhook");
    assert_eq!(parameter, first.is_some());
    if let Some(key) = first.as_deref().and_then(WebhookKey::parse) {
        assert!(key.matches(first.as_deref().unwrap_or_default()));
        assert_eq!(key.fingerprint().len(), 8);
    }
}

/// A content type on the first line, and a body of this type.
pub fn multipart(data: &[u8]) {
    let mut lines = data.splitn(2, |&byte| byte == b'\n');
    let (declared, body) = (lines.next(), lines.next());
    let (declared, body) = (declared.unwrap_or_default(), body.unwrap_or_default());
    let kind = [b"multipart/form-data;", declared].concat();
    let kind = Kind::of(&kind).expect("a type that is known");
    if let Ok(fields) = kind.read(body, MOST_FIELDS) {
        assert!(fields.len() <= MOST_FIELDS);
        // What precedes the first boundary and what follows the last one is ignored, so nothing more is read, and nothing less.
        let around = [b"preamble\r\n", body, b" epilogue"].concat();
        let again = kind.read(&around, MOST_FIELDS);
        assert!(again == Ok(fields));
    }
}

/// Forwarding headers in which the client may have forged all but the last address.
pub fn forwarded(data: &[u8]) {
    let invented = String::from_utf8_lossy(data);
    crate::http::assert_last_hop_stands(&invented);
}

/// A signed call: two content types, one per line, then a line of the signature's headers, separated by tabs, and the
/// body. At most one type reads the body, and only the holder of the secret signs it.
pub fn signed(data: &[u8]) {
    let mut lines = data.splitn(4, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (kinds, headers, body) = ([line(), line()], line(), line());
    crate::http::assert_read_in_one_way(kinds, body);
    let mut headers = headers.split(|&byte| byte == b'\t').map(<[u8]>::to_vec);
    let mut header = || headers.next().unwrap_or_default();
    let call = Signed {
        id: header(),
        timestamp: header(),
        signatures: header(),
        body: SecretSlice::from(body.to_vec()),
        reads_one_way: true,
    };
    let now = DateTime::UNIX_EPOCH;
    let key = SecretSlice::from(b"a key that nobody could guess".to_vec());
    assert!(call.verify(&[], now).is_err());
    assert!(call.verify(&[key], now).is_err());
    let fields = || [body];
    let id = Idempotency::of_signed(&call.id, fields());
    let key = Idempotency::of(&call.id, fields());
    assert!(id.is_none() || key.is_ok_and(|key| Some(key) != id));
}

/// A call of a webhook with a source: a line that is tried as a path, a template and a condition, a content type's line (a form if it
/// is empty), and the body.
pub fn source(data: &[u8]) {
    let mut lines = data.splitn(3, |&byte| byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (rule, kind, body) = (line(), line(), line());
    let rule = String::from_utf8_lossy(rule);
    let email = Rule::parse([&*rule, "{{ customer.email | lower }}", "email"]);
    let email = email.unwrap_or_else(|_| Rule::of(Field::Email));
    let form = kind.is_empty().then(|| {
        let pairs = body.split(|&byte| byte == b'&').take(MOST_FIELDS);
        let pair = |pair: &[u8]| {
            let at = pair.iter().position(|&byte| byte == b'=');
            let at = at.unwrap_or(pair.len());
            (
                pair[..at].to_vec(),
                pair.get(at + 1..).unwrap_or_default().to_vec(),
            )
        };
        pairs.map(pair).collect()
    });
    let source = Source {
        name: "fuzz".to_owned(),
        webhook_id: 1,
        bodies: Bodies::Any,
        fields: Some(vec![(Field::Email, email)]),
        only_if: Condition::parse(&rule).ok(),
        remove_only: false,
        trim_email: true,
        lower_case_email: true,
        php_may_execute: false,
        idempotency: Rule::parse([&*rule]).ok().map(Origin::Body),
        signature: None,
        ping_field: None,
    };
    let reading = source.read(Received {
        body,
        form,
        headers: [].into(),
        at: DateTime::UNIX_EPOCH,
        reads_one_way: true,
    });
    if let Reading::Call(mapped) = reading {
        let longest = body.len().max(rule.len()).max(4096);
        // What is no text becomes up to three times as long.
        assert!(
            mapped
                .fields
                .iter()
                .all(|(_, value, _)| value.len() <= 3 * longest)
        );
        let mut paths = 0;
        mapped.tree.each_path(&mut |_| paths += 1);
        assert!(paths <= Tree::MOST);
    }
}

/// Serialised values, as another plugin or anyone with access to the database may have left them.
pub fn php_data(data: &[u8]) {
    if let Ok(value) = php::parse(data) {
        let written = value.write();
        assert_eq!(php::parse(&written).as_ref(), Ok(&value));
        assert!(written.len() <= 2 * data.len() + 100);
    }
    if let Ok(webhook) = Webhook::read(1, data) {
        assert!(webhook.target_ids().is_sorted());
        let counted = count_runs(1, data, 1).expect("what can be read can be counted");
        let after = Webhook::read(1, &counted).expect("what was counted can be read");
        assert_eq!(webhook, after);
    }
    let role = String::from_utf8_lossy(data);
    assert!(user_level(&role, Some(data)) <= 10);
    let capabilities = capabilities_value(&role);
    let capabilities = php::parse(capabilities.as_bytes()).expect("capabilities are an array");
    let length = capabilities.as_array().map(php::Array::len);
    assert_eq!(length, Some(usize::from(!matches!(&*role, "" | "0"))));
}

/// Addresses, logins and names.
pub fn user(data: &[u8]) {
    let address = sanitize_email(data);
    assert!(address.is_empty() || address.contains('@'));
    if is_email(data) {
        assert!(!data.iter().any(u8::is_ascii_control));
    }
    if let Ok(email) = Email::parse(data) {
        assert!(email.stored().len() <= 100 && email.given().len() <= 100);
        assert!(!email.stored().contains(['<', '>', '\r', '\n', '\0', '"']));
        assert!(email.forms().len() <= 3);
    }
    for (version, locale) in [("5.9", "de_DE"), ("6.9", "en_US"), ("7.1", "da_DK")] {
        let rules = Rules {
            locale,
            version: version.parse().expect("a version"),
            multisite: false,
        };
        let strict = sanitize_user(data, true, &rules);
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" _.-@".contains(byte);
        assert!(strict.iter().all(is_plain));
        let _ = sanitize_user(data, false, &rules);
        let _ = accents::remove_accents(data, &rules);
        let strict = String::from_utf8_lossy(&strict);
        let nicename = nicename::from_login(&strict);
        assert!(nicename.len() <= 50);
        let first = name::filter(data, rules.version);
        assert!(!first.contains('<'));
        let shown = name::display_name(&first, &strict, rules.version);
        assert!(shown.chars().count() <= 250);
        let guarded = meta_value::guard(&first, rules.version);
        // A value that would unserialise must be stored as a serialised string.
        if meta_value::looks_serialized(first.as_bytes(), rules.version) {
            assert!(guarded.starts_with("s:"));
        }
    }
}

/// The names of a call, as long as they are read.
pub fn names(data: &[u8]) {
    const LONGEST: usize = 4096;
    let long: Vec<u8> = data.iter().copied().cycle().take(LONGEST).collect();
    let slashed = php::loose::addslashes(&long);
    for (version, locale) in [("5.9", "de_DE"), ("7.1", "en_US")] {
        let rules = Rules {
            locale,
            version: version.parse().expect("a version"),
            multisite: false,
        };
        let first = name::filter(&slashed, rules.version);
        let again = name::filter(&php::loose::addslashes(first.as_bytes()), rules.version);
        assert!(again.len() <= 8 * LONGEST);
        let full = name::full_name(&first, &again, &Catalogue::default());
        let shown = name::display_name(&full, "login", rules.version);
        assert!(shown.chars().count() <= 250);
        let text = String::from_utf8_lossy(&slashed);
        let fallbacks = [&*first, &*again, &*shown];
        for candidate in username::candidates(&text, &fallbacks, None, rules).take(110) {
            let login = sanitize_user(candidate.as_bytes(), true, &rules);
            assert!(login.len() <= 8 * LONGEST);
        }
    }
}

/// What a member wrote, as long as Markdown is parsed, and as long as it is read.
pub fn biography(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for longest in [8_000, 1 << 16] {
        let long: String = text.chars().cycle().take(longest).collect();
        let html = render_description(&long);
        // Every character may become a named entity, in a paragraph of its own.
        assert!(html.len() <= 32 * longest, "{}", html.len());
    }
}

/// A mail server's words.
pub fn smtp(data: &[u8]) {
    crate::mail::converse_with(data);
}

/// Biographies.
pub fn markdown(data: &[u8]) {
    let html = render_description(&String::from_utf8_lossy(data)).to_lowercase();
    for tag in ["<script", "<iframe", "<style", "<svg"] {
        assert!(!html.contains(tag), "{tag}");
    }
    // What stands between tags is text, and may say anything.
    let tags = html.split('<').skip(1);
    for tag in tags.filter_map(|part| part.split('>').next()) {
        for address in ["src=\"javascript:", "href=\"javascript:"] {
            assert!(!tag.contains(address), "{tag}");
        }
    }
}

/// PHP source that is parsed but not executed.
pub fn wp_config(data: &[u8]) {
    crate::config::read_php(data);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use super::*;

    /// Of this thread; code that is not optimised takes some ten times as long.
    const LONGEST: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });

    /// What this thread has used so far.
    fn processor_time() -> Duration {
        let statistics = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        let nanoseconds = statistics.split(' ').next().unwrap().parse();
        Duration::from_nanos(nanoseconds.unwrap())
    }

    /// Runs the recorded findings and the seeds, without the fuzzer.
    #[test]
    fn every_corpus_passes_its_target() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
        for (name, target) in TARGETS {
            let files: Vec<_> = fs::read_dir(corpora.join(name)).unwrap().collect();
            assert!(files.len() >= 5, "{name} has hardly a corpus");
            for file in files {
                let path = file.unwrap().path();
                let data = fs::read(&path).unwrap();
                let before = processor_time();
                let result = std::panic::catch_unwind(|| target(&data));
                assert!(result.is_ok(), "{}", path.display());
                let used = processor_time().saturating_sub(before);
                assert!(used < LONGEST, "{used:?} for {}", path.display());
            }
        }
    }
}
