//! The same random forms given to `wp_insert_user`, as the webhook's handler does, and to the daemon: the same rows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::{PREFIX, RealSite, network, release};
use crate::harness::client::FORM;
use crate::harness::http::Response;
use crate::harness::passwords;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, target};

/// Another seed or number of forms, to try more than one run can: `SEED` or `SEED:NUMBER`.
const SEED: &str = "FCOM_SIDECAR_TEST_PARITY";
const FORMS: usize = 150;

/// What names are put together from, among plain letters.
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
/// What `is_email` knows in a local part; it knows no slashed apostrophe.
const LOCAL: [&str; 24] = [
    "a", "Z", "9", "ann", "!", "#", "$", "%", "%41", "&", "&amp", "*", "+", "/", "=", "?", "^",
    "_", "{", "|", "}", "~", ".", "-",
];
/// Those whose accents or names WordPress treats in a way of their own, and two that nobody has.
const LOCALES: [&str; 11] = [
    "ja", "zh_CN", "zh_TW", "uk", "de_DE", "da_DK", "ca", "bs_BA", "sr_RS", "xx_YY", "../ja",
];
/// What it does not know, in most places.
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

struct Form([(&'static str, Vec<u8>); 5]);

impl Form {
    fn random(rng: &mut StdRng, number: usize) -> Self {
        let mut local: String = (0..rng.random_range(1..5))
            .map(|_| *LOCAL.choose(rng).unwrap())
            .collect();
        let mut domain = (*DOMAINS.choose(rng).unwrap()).to_owned();
        // Some are no addresses.
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
        // Nicenames that are only told apart behind the fiftieth character; a number stands behind a hyphen.
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

    fn value(&self, name: &str) -> &[u8] {
        &self.0.iter().find(|(key, _)| *key == name).unwrap().1
    }

    fn encoded(&self) -> Value {
        let pairs = self.0.iter();
        pairs
            .map(|(name, value)| ((*name).to_owned(), STANDARD.encode(value).into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    async fn post(&self, sidecar: &Sidecar, hook: &str) -> Response {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={}", percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let body = pairs.join("&");
        let target = target(hook);
        sidecar.client.post(&target, FORM, body.as_bytes()).await
    }

    /// The values as Rust writes them, bytes that are no text as escapes.
    fn shown(&self) -> String {
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

/// Up to so many pieces; now and then a long text, and rarely one that is no UTF-8.
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

/// Without what is random.
pub(super) fn comparable(rows: &Value) -> Value {
    let mut rows = rows.clone();
    let user = rows["user"].as_object_mut().unwrap();
    let hash = user.remove("user_pass").unwrap();
    let hash = hash.as_str().unwrap();
    assert!(
        hash == "*" || passwords::has_known_shape(hash, &release::version()),
        "{hash}"
    );
    assert_eq!(
        user.remove("user_registered")
            .unwrap()
            .as_str()
            .unwrap()
            .len(),
        19
    );
    user.remove("ID");
    // Of a network.
    for column in ["spam", "deleted"] {
        let flag = user.remove(column).unwrap_or("0".into());
        assert_eq!(flag, "0", "{column}");
    }
    rows
}

/// Random forms, and how to get them again: from this seed, or as the environment says.
fn forms(seed: u64) -> (Vec<Form>, String) {
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

#[tokio::test]
async fn random_forms_make_the_same_rows_as_wp_insert_user() {
    let (forms, chosen) = forms(1);
    let real = RealSite::install().await;
    let sidecar = real.sidecar().await;
    assert_parity(&real, ("/", SPACES_HOOK), &sidecar, &forms, &chosen).await;
}

/// The same on the second site of a network, where names are lower-cased.
#[tokio::test]
async fn random_forms_make_the_same_rows_on_a_network() {
    let (forms, chosen) = forms(2);
    let real = network::network().await;
    let sidecar = network::serve(&real, network::TWO).await;
    let place = (network::TWO.path, SPACES_HOOK);
    assert_parity(&real, place, &sidecar, &forms, &chosen).await;
}

/// What depends on the site's language: letters without accents, and the order of names.
#[tokio::test]
async fn random_forms_make_the_same_rows_in_every_language() {
    let real = RealSite::install().await;
    let sidecar = real.sidecar().await;
    for (seed, locale) in LOCALES.into_iter().enumerate() {
        real.set_option("WPLANG", locale).await;
        let mut rng = StdRng::seed_from_u64(seed as u64);
        let forms: Vec<Form> = (0..12).map(|one| Form::random(&mut rng, one)).collect();
        assert_parity(&real, ("/", SPACES_HOOK), &sidecar, &forms, locale).await;
    }
}

/// When it makes the key for the welcome mail's link, WordPress writes the whole user once more, and filters it again.
#[tokio::test]
async fn random_forms_make_the_same_rows_when_a_mail_is_sent() {
    let (forms, chosen) = forms(3);
    let real = RealSite::install().await;
    let sidecar = real.sidecar().await;
    assert_parity(&real, ("/", PLAIN_HOOK), &sidecar, &forms, &chosen).await;
}

/// `path` is where the site of the daemon begins, `hook` the webhook that is called, and `chosen` seed and number of the
/// forms.
async fn assert_parity(
    real: &RealSite,
    (path, hook): (&str, &str),
    sidecar: &Sidecar,
    forms: &[Form],
    chosen: &str,
) {
    let number = forms.len();
    let encoded: Vec<Value> = forms.iter().map(Form::encoded).collect();
    forget_users(real).await;
    let input = json!({ "forms": encoded, "path": path, "mail": hook == PLAIN_HOOK });
    let theirs = real.php("insert_users", input).await;
    forget_users(real).await;

    // What PHP refuses comes last: the daemon makes users of it, whose names must not be in the others' way.
    let (refused, made): (Vec<_>, Vec<_>) = forms
        .iter()
        .zip(theirs.as_array().unwrap())
        .filter(|(_, their)| !their.is_null())
        .partition(|(_, their)| !their.is_object());
    assert!(made.len() > number / 3, "only {} users", made.len());
    let mut differences = Vec::new();
    let mut pairs = Vec::new();
    for (form, their) in made {
        let response = form.post(sidecar, hook).await;
        let Some(id) = response.json()["user_id"].as_u64() else {
            differences.push(format!("{}: {}", form.shown(), response.text()));
            continue;
        };
        let rows = real.rows(id).await;
        let (mut expected, mut got) = (comparable(their), comparable(&rows));
        if hook == PLAIN_HOOK {
            // The mail server of this test does not listen, and which key it would be is random.
            for rows in [&mut expected, &mut got] {
                rows["user"]
                    .as_object_mut()
                    .unwrap()
                    .remove("user_activation_key");
            }
        }
        if expected != got {
            differences.push(format!(
                "{}\n  expected {expected}\n  got      {got}",
                form.shown()
            ));
        }
        // A random one takes the place of these.
        let password = form.value("user_password");
        if !matches!(password, b"" | b"0") {
            pairs.push(json!([
                STANDARD.encode(password),
                rows["user"]["user_pass"]
            ]));
        }
    }
    for (form, why) in refused {
        let response = form.post(sidecar, hook).await;
        let is_right = match why.as_str() {
            Some("Email is required") => {
                response.status == 423 && response.json()["message"] == *why
            }
            _ => response.status == 200,
        };
        if !is_right {
            let answer = response.text();
            differences.push(format!("{} ({why}): {answer}", form.shown()));
        }
    }
    assert!(
        differences.is_empty(),
        "{SEED}={chosen}\n{}",
        differences.join("\n")
    );
    let input = json!({ "pairs": pairs });
    let accepted = real.php("check_passwords", input).await;
    let accepted = accepted.as_array().unwrap().iter();
    let refused: Vec<_> = accepted
        .zip(&pairs)
        .filter(|(is_accepted, _)| **is_accepted != true)
        .collect();
    assert!(refused.is_empty(), "{SEED}={chosen}: {refused:?}");
}

pub(super) async fn forget_users(real: &RealSite) {
    real.site
        .execute(&format!(
            "DELETE FROM {PREFIX}users WHERE ID > 1; DELETE FROM {PREFIX}usermeta WHERE user_id > 1; \
             TRUNCATE {PREFIX}fcom_xprofile"
        ))
        .await;
}
