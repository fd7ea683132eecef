//! Each preset reads its sender's sample, signed as the sender signs, through nginx as `deploy/nginx.conf` sets it up.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{JSON, SECRET, STRANGER, assert_answer, mac, runs, start, users};
use crate::harness::client::FORM;
use crate::harness::front::{Front, Portal, Server};
use crate::harness::http;
use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, target};

/// How a sender proves that a call is its own.
#[derive(Clone, Copy)]
enum Proof {
    None,
    Stripe,
    Base64(&'static str),
    PrefixedBase64(&'static str),
    /// In the body, where the sample has it.
    Body,
}

/// A preset with its sender's sample: a payload of our own, in the shape of the sender's public documents.
struct Sample {
    preset: &'static str,
    kind: &'static str,
    body: &'static str,
    proof: Proof,
    /// A text of the sample and what it is in a call of another kind, which is ignored.
    other: Option<(&'static str, &'static str)>,
}

macro_rules! sample {
    ($preset:literal, $kind:expr, $file:literal, $proof:expr, $other:expr) => {
        Sample {
            preset: $preset,
            kind: $kind,
            body: include_str!(concat!("../../../data/sources/", $file)),
            proof: $proof,
            other: $other,
        }
    };
}

const SAMPLES: [Sample; 16] = [
    sample!(
        "stripe-checkout",
        JSON,
        "stripe-checkout.json",
        Proof::Stripe,
        Some(("\"paid\"", "\"unpaid\""))
    ),
    sample!(
        "woocommerce-order",
        JSON,
        "woocommerce-order.json",
        Proof::Base64("X-WC-Webhook-Signature"),
        Some(("processing", "pending"))
    ),
    sample!(
        "woocommerce-customer",
        JSON,
        "woocommerce-customer.json",
        Proof::Base64("X-WC-Webhook-Signature"),
        Some(("\"email\": \"nora@example.com\",\n", ""))
    ),
    sample!(
        "shopify-customer",
        JSON,
        "shopify-customer.json",
        Proof::Base64("X-Shopify-Hmac-Sha256"),
        Some(("\"nora@example.com\"", "null"))
    ),
    sample!(
        "thrivecart",
        FORM,
        "thrivecart.form",
        Proof::Body,
        Some(("order.success", "order.refund"))
    ),
    sample!(
        "samcart",
        JSON,
        "samcart.json",
        Proof::None,
        Some(("\"Order\"", "\"Refund\""))
    ),
    sample!("kajabi", JSON, "kajabi.json", Proof::None, None),
    sample!("kajabi", JSON, "kajabi-name.json", Proof::None, None),
    sample!(
        "gravity-forms",
        JSON,
        "gravity-forms.json",
        Proof::None,
        None
    ),
    sample!("wpforms", JSON, "wpforms.json", Proof::None, None),
    sample!("elementor", FORM, "elementor.form", Proof::None, None),
    sample!(
        "typeform",
        JSON,
        "typeform.json",
        Proof::PrefixedBase64("Typeform-Signature"),
        Some(("\"form_response\",", "\"form_response_partial\","))
    ),
    sample!(
        "tally",
        JSON,
        "tally.json",
        Proof::Base64("Tally-Signature"),
        Some(("FORM_RESPONSE", "FORM_CLOSED"))
    ),
    sample!("zapier", JSON, "zapier.json", Proof::None, None),
    sample!("make", FORM, "make.form", Proof::None, None),
    sample!("n8n", JSON, "n8n.json", Proof::None, None),
];

/// The presets whose senders name their events.
const NAMING: [&str; 8] = [
    "stripe-checkout",
    "woocommerce-order",
    "woocommerce-customer",
    "shopify-customer",
    "thrivecart",
    "samcart",
    "typeform",
    "tally",
];

impl Proof {
    fn header(self, secret: &str, at: u64, body: &str) -> Option<(&'static str, String)> {
        let encoded = || STANDARD.encode(mac(secret, &[body.as_bytes()]));
        match self {
            Self::None | Self::Body => None,
            Self::Stripe => {
                let time = at.to_string();
                let mac = hex::encode(mac(secret, &[time.as_bytes(), b".", body.as_bytes()]));
                Some(("Stripe-Signature", format!("t={time},v1={mac},v0=00")))
            }
            Self::Base64(name) => Some((name, encoded())),
            Self::PrefixedBase64(name) => Some((name, format!("sha256={}", encoded()))),
        }
    }
}

/// The webhook of a sample, which is a copy of the plain one.
fn key(number: usize) -> String {
    format!("{number:02}5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e")
}

/// The daemon with all presets, each for a webhook of its own.
async fn start_all(site: &Site) -> Sidecar {
    let mut sources = String::new();
    for (number, sample) in SAMPLES.iter().enumerate() {
        let (id, key) = (100 + number, key(number));
        site.execute(&format!(
            "INSERT INTO wp_fcom_meta (id, object_type, meta_key, value, created_at, updated_at) \
             SELECT {id}, object_type, '{key}', value, created_at, updated_at FROM wp_fcom_meta WHERE meta_key = '{PLAIN_HOOK}'"
        ))
        .await;
        let secrets = match sample.proof {
            Proof::None => String::new(),
            Proof::Body => "secrets = [\"another-word\", \"SAMPLEWORD12\"]".to_owned(),
            _ => format!("secrets = [\"an-older-secret\", \"{SECRET}\"]"),
        };
        let preset = sample.preset;
        sources.push_str(&format!(
            "[source.{preset}-{number}]\nwebhook_id = {id}\npreset = \"{preset}\"\n{secrets}\n"
        ));
    }
    let sidecar = start(site, &sources).await;
    let keys: Vec<String> = (0..SAMPLES.len()).map(key).collect();
    sidecar.client.record(&keys);
    sidecar
}

/// As senders reach it: through the web server.
#[tokio::test]
async fn each_preset_reads_its_sender_s_sample() {
    let site = Site::new("71").await;
    let sidecar = start_all(&site).await;
    let front = Front::start(Server::Nginx, sidecar.client.public, Portal::Usual).await;
    let now = site.now().await;
    for (number, sample) in SAMPLES.iter().enumerate() {
        let Sample { preset, kind, .. } = *sample;
        let target = target(&key(number));
        let post = async |header: Option<(&str, String)>, body: &str| {
            let mut headers = vec![("Content-Type", kind)];
            headers.extend(header.as_ref().map(|(name, value)| (*name, value.as_str())));
            let answer = http::request(front.address, "POST", &target, &headers, body.as_bytes());
            answer.await.unwrap()
        };
        let proof = |secret: &str, at: u64, body: &str| sample.proof.header(secret, at, body);
        // Each sender has a member of its own.
        let own = |body: &str| {
            let body = body.replace("nora@", &format!("{preset}-{number}@"));
            body.replace("nora%40", &format!("{preset}-{number}%40"))
        };
        let body = &own(sample.body);
        let (runs_before, users_before) = (runs(&site).await, users(&site).await);

        if let Some((one, other)) = sample.other {
            assert!(sample.body.contains(one), "{preset}");
            let body = own(&sample.body.replace(one, other));
            let ignored = post(proof(SECRET, now, &body), &body).await;
            assert_answer(&ignored, 200, "ignored");
        }
        match sample.proof {
            Proof::None => {}
            Proof::Body => {
                let body = body.replace("SAMPLEWORD12", "SAMPLEWORD13");
                assert_answer(&post(None, &body).await, 401, "error");
            }
            _ => {
                for header in [
                    None,
                    proof(STRANGER, now, body),
                    proof(SECRET, now, "{}"),
                    proof(SECRET, now, body).map(|(name, _)| (name, "x".to_owned())),
                ] {
                    assert_answer(&post(header, body).await, 401, "error");
                }
            }
        }
        if matches!(sample.proof, Proof::Stripe) {
            let old = proof(SECRET, now - 400, body);
            assert_answer(&post(old, body).await, 401, "error");
        }
        let counts = (runs(&site).await, users(&site).await);
        assert_eq!(counts, (runs_before, users_before), "{preset}");

        let executed = post(proof(SECRET, now, body), body).await;
        let answer = assert_answer(&executed, 200, "success");
        let user = answer["user_id"].as_u64().unwrap();
        let member = format!("SELECT user_email, display_name FROM wp_users WHERE ID = {user}");
        let member = site.rows(&member).await;
        let expected = [
            format!("{preset}-{number}@example.com"),
            "Nora van Dijk".to_owned(),
        ]
        .map(Some);
        assert_eq!(member, [expected], "{preset}");

        // Saved again there, without being another event.
        let saved = body.replace("10:00:07", "11:30:00");
        let again = post(proof(SECRET, now, &saved), &saved).await;
        assert_eq!(assert_answer(&again, 200, "success")["user_id"], user);
        let is_replayed = again.header("idempotent-replayed").is_some();
        assert_eq!(is_replayed, NAMING.contains(&preset), "{preset}");
        if is_replayed {
            assert_eq!(
                (again.text(), runs(&site).await),
                (executed.text(), runs_before + 1)
            );
        }
        if preset == "woocommerce-order" {
            let completed = saved.replace("processing", "completed");
            let answer = post(proof(SECRET, now, &completed), &completed).await;
            assert_answer(&answer, 200, "success");
            assert_eq!(runs(&site).await, runs_before + 2);
        }
        assert_eq!(users(&site).await, users_before + 1, "{preset}");
    }
    assert_eq!(
        front.seen_by_php().len(),
        1,
        "only the question whether it is there"
    );
    invariants::assert_hold(&site).await;
}
