//! Gives the same random forms to `wp_insert_user`, as the webhook's handler does, and to the daemon, and compares the
//! rows.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::random_forms::{Form, SEED, forms};
use super::{PREFIX, RealSite, network, release};
use crate::harness::passwords;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK};

/// Locales whose accents or names WordPress treats specially, and two that do not exist.
const LOCALES: [&str; 11] = [
    "ja", "zh_CN", "zh_TW", "uk", "de_DE", "da_DK", "ca", "bs_BA", "sr_RS", "xx_YY", "../ja",
];

/// The rows without random values.
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
    // Columns of a network.
    for column in ["spam", "deleted"] {
        let flag = user.remove(column).unwrap_or("0".into());
        assert_eq!(flag, "0", "{column}");
    }
    rows
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

/// Rules that depend on the site's language: letters without accents, and the order of names.
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

/// When it creates the key for the welcome mail's link, WordPress writes the whole user again, and filters it again.
#[tokio::test]
async fn random_forms_make_the_same_rows_when_a_mail_is_sent() {
    let (forms, chosen) = forms(3);
    let real = RealSite::install().await;
    let sidecar = real.sidecar().await;
    assert_parity(&real, ("/", PLAIN_HOOK), &sidecar, &forms, &chosen).await;
}

/// `path` is the path of the daemon's site, `hook` the webhook to call, and `chosen` the seed and number of the forms.
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

    // Forms that PHP refuses come last: the daemon creates users from them, whose names must not collide with the
    // others'.
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
            // The test's mail server is not listening, and the key would be random.
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
        // A random password takes the place of these.
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
