//! Generates forms of random names, addresses and passwords from pieces that WordPress treats specially.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::harness::client::FORM;
use crate::harness::http::Response;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::target;

/// Another seed or number of forms, to cover more than one run can: `SEED` or `SEED:NUMBER`.
pub(super) const SEED: &str = "FCOM_SIDECAR_TEST_PARITY";
const FORMS: usize = 150;

/// Pieces of names, mixed with plain letters.
const PIECES: [&str; 88] = [
    "ann",
    "Bob",
    "x",
    "0",
    "7",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\u{b}",
    "\u{c}",
    "\u{1}",
    "\0",
    "é",
    "ß",
    "Æ",
    "ø",
    "ł",
    "İ",
    "ǝ",
    "ﬁ",
    "½",
    "№",
    "e\u{301}",
    "張三",
    "Иван",
    "محمد",
    "😀",
    "👩‍👩‍👧",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}",
    "\u{212b}",
    "'",
    "\"",
    "\\",
    "\\\\",
    "\\'",
    "\\0",
    "<",
    ">",
    "< ",
    " <",
    "<b>",
    "</b>",
    "< b >",
    "<br/>",
    "<script>x</script>",
    "<SCRIPT",
    "<style>y</style>",
    "<!--",
    "-->",
    "<?php",
    "?>",
    "<![CDATA[",
    "<a href=\"x>y\">",
    "<3",
    "&",
    "&amp;",
    "&AMP;",
    "&copy;",
    "&foo;",
    "&apos;",
    "&#39;",
    "&#x27;",
    "&#0;",
    "&#1234567890;",
    "&#xD800;",
    "&;",
    "& ;",
    ";",
    "%",
    "%41",
    "%4%411",
    "%%4141",
    "%C3%A9",
    "/",
    ".",
    "-",
    "_",
    "@",
    "+",
    "$1",
    "{}",
    "b:1;",
    "O:8:\"stdClass\":0:{}",
    "a:1:{i:0;i:1;}",
];
/// Characters that `is_email` accepts in a local part; it accepts no slashed apostrophe.
const LOCAL: [&str; 24] = [
    "a", "Z", "9", "ann", "!", "#", "$", "%", "%41", "&", "&amp", "*", "+", "/", "=", "?", "^",
    "_", "{", "|", "}", "~", ".", "-",
];
/// Characters that it rejects in most places.
const ODD: [&str; 16] = [
    " ", "@", "..", ".", "-", ".-", "\t", "\n", "\0", "é", "\u{200b}", "\"", "\\", "(", "[", "%00",
];
const DOMAINS: [&str; 5] = [
    "example.com",
    "Sub.Example.ORG",
    "127.0.0.1",
    "xn--bcher-kva.example",
    "a-b.c0m",
];

pub(super) struct Form([(&'static str, Vec<u8>); 5]);

impl Form {
    pub(super) fn random(rng: &mut StdRng, number: usize) -> Self {
        let mut local: String = (0..rng.random_range(1..5))
            .map(|_| *LOCAL.choose(rng).unwrap())
            .collect();
        let mut domain = (*DOMAINS.choose(rng).unwrap()).to_owned();
        // Some are not addresses.
        if rng.random_bool(0.1) {
            let part = if rng.random_bool(0.5) {
                &mut local
            } else {
                &mut domain
            };
            let mut at = rng.random_range(0..=part.len());
            while !part.is_char_boundary(at) {
                at -= 1;
            }
            part.insert_str(at, ODD.choose(rng).unwrap());
        }
        let mut login = text(rng, 5);
        // Nicenames that differ only after the fiftieth character; a number follows a hyphen.
        if rng.random_bool(0.05) {
            login = b"Somebody Whose Name Is As Long As A Nicename Is ".to_vec();
            login.extend(text(rng, 1));
        }
        // A few names collide, most do not.
        if rng.random_bool(0.8) {
            login.extend(format!("{number}").bytes());
        }
        Self([
            ("email", format!("{local}{number}@{domain}").into_bytes()),
            ("user_login", login),
            ("user_password", text(rng, 4)),
            ("first_name", text(rng, 5)),
            ("last_name", text(rng, 3)),
        ])
    }

    pub(super) fn value(&self, name: &str) -> &[u8] {
        &self.0.iter().find(|(key, _)| *key == name).unwrap().1
    }

    pub(super) fn encoded(&self) -> Value {
        let pairs = self.0.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), STANDARD.encode(value).into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    pub(super) async fn post(&self, sidecar: &Sidecar, hook: &str) -> Response {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let body = pairs.join("&");
        let target = target(hook);
        sidecar.client.post(&target, FORM, body.as_bytes()).await
    }

    /// The values as Rust literals, with escapes for bytes that are not text.
    pub(super) fn shown(&self) -> String {
        let pairs = self.0.iter();
        pairs
            .map(|(name, value)| {
                let text = String::from_utf8(value.clone());
                text.map_or(format!("{name}={value:?} "), |text| {
                    format!("{name}={text:?} ")
                })
            })
            .collect()
    }
}

/// Up to this many pieces; occasionally a long text, and rarely one that is not UTF-8.
fn text(rng: &mut StdRng, most: usize) -> Vec<u8> {
    let mut text: Vec<u8> = Vec::new();
    for _ in 0..rng.random_range(0..=most) {
        text.extend(PIECES.choose(rng).unwrap().bytes());
        if rng.random_bool(0.4) {
            text.push(rng.random_range(b'a'..=b'z'));
        }
        if rng.random_bool(0.02) {
            text.extend("Länge ".repeat(rng.random_range(1..40)).bytes());
        }
        if rng.random_bool(0.01) {
            text.push(rng.random_range(0x80..=0xff));
        }
    }
    text
}

/// Random forms, and how to reproduce them: from this seed, or as the environment sets.
pub(super) fn forms(seed: u64) -> (Vec<Form>, String) {
    let chosen =
        std::env::var_os(SEED).map_or(seed.to_string(), |text| text.into_string().unwrap());
    let (seed, number) = chosen.split_once(':').unwrap_or((&chosen, ""));
    let number = number.parse().unwrap_or(FORMS);
    let chosen = format!("{seed}:{number}");
    eprintln!("{SEED}={chosen}");
    let mut rng = StdRng::seed_from_u64(seed.parse().unwrap());
    let forms = (0..number).map(|one| Form::random(&mut rng, one)).collect();
    (forms, chosen)
}
