//! Each preset reads its sender's sample, signed as the sender signs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{EMAIL, JSON, SECRET, STRANGER, assert_answer, mac, post, runs, start, users};
use crate::harness::client::FORM;
use crate::harness::invariants;
use crate::harness::site::Site;

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

const SAMPLES: [Sample; 15] = [
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

#[tokio::test]
async fn each_preset_reads_its_sender_s_sample() {
    for sample in &SAMPLES {
        let site = Site::new("71").await;
        let preset = sample.preset;
        let secrets = match sample.proof {
            Proof::None => String::new(),
            Proof::Body => "secrets = [\"another-word\", \"SAMPLEWORD12\"]".to_owned(),
            _ => format!("secrets = [\"an-older-secret\", \"{SECRET}\"]"),
        };
        let source = format!("[source.one]\nwebhook_id = 3\npreset = \"{preset}\"\n{secrets}");
        let sidecar = start(&site, &source).await;
        let now = site.now().await;
        let proof = |secret: &str, at: u64, body: &str| sample.proof.header(secret, at, body);
        let Sample { kind, body, .. } = *sample;

        if let Some((one, other)) = sample.other {
            assert!(body.contains(one), "{preset}");
            let body = body.replace(one, other);
            let ignored = post(&sidecar, kind, proof(SECRET, now, &body), &body).await;
            assert_answer(&ignored, 200, "ignored");
        }
        match sample.proof {
            Proof::None => {}
            Proof::Body => {
                let body = body.replace("SAMPLEWORD12", "SAMPLEWORD13");
                assert_answer(&post(&sidecar, kind, None, &body).await, 401, "error");
            }
            _ => {
                for header in [
                    None,
                    proof(STRANGER, now, body),
                    proof(SECRET, now, "{}"),
                    proof(SECRET, now, body).map(|(name, _)| (name, "x".to_owned())),
                ] {
                    assert_answer(&post(&sidecar, kind, header, body).await, 401, "error");
                }
            }
        }
        if matches!(sample.proof, Proof::Stripe) {
            let old = proof(SECRET, now - 400, body);
            assert_answer(&post(&sidecar, kind, old, body).await, 401, "error");
        }
        assert_eq!((runs(&site).await, users(&site).await), (0, 0), "{preset}");

        let executed = post(&sidecar, kind, proof(SECRET, now, body), body).await;
        let answer = assert_answer(&executed, 200, "success");
        let user = answer["user_id"].as_u64().unwrap();
        let member = format!("SELECT user_email, display_name FROM wp_users WHERE ID = {user}");
        let member = site.rows(&member).await;
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(member, [[text(EMAIL), text("Nora van Dijk")]], "{preset}");

        let again = post(&sidecar, kind, proof(SECRET, now, body), body).await;
        assert_eq!(assert_answer(&again, 200, "success")["user_id"], user);
        assert_eq!(users(&site).await, 1, "{preset}");
        invariants::assert_hold(&site).await;
    }
}
