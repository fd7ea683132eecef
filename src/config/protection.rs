//! `[protection.NAME]`: what a webhook requires of its callers besides the key. Mirrors nothing in PHP.
//!
//! Everything here fails closed: a table that would protect nothing, or whose secret is invalid, is refused.

use std::collections::BTreeSet;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretSlice};

use super::problem::{Problem, Reported};
use super::server::parse_network;
use super::settings::Settings;
use super::tables::{Table, Tables};

pub(super) const TABLES: Tables = Tables {
    section: "protection",
    options: &[
        "webhook_id",
        "webhook_title",
        "allowed_networks",
        "secrets",
        "secrets_file",
        "php_may_execute",
    ],
};

/// Key bytes after the prefix: the specification asks for 24 to 64.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Secrets published in documentation and examples.
const PUBLISHED: [&str; 3] = [
    "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    "C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "plJ3nmyCDGBKInavdOK15jsl",
];

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Requirements on the callers of one webhook. If a webhook has several protections, all apply.
#[derive(Debug, Clone)]
pub struct Protection {
    /// The operator's name for it.
    pub name: String,
    /// The protected webhook.
    pub webhook: ProtectedWebhook,
    /// Networks from which calls are accepted; `None` means any.
    pub allowed_networks: Option<Vec<IpNet>>,
    /// Keys, one of which must have signed the call; `None` requires no signature.
    pub secrets: Option<Vec<SecretSlice<u8>>>,
    /// Whether the operator accepts that PHP executes the webhook for whoever has its key.
    pub php_may_execute: bool,
}

/// Identifies a webhook, but never by its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProtectedWebhook {
    /// Row id in `fcom_meta`.
    Id(u64),
    /// The title shown in FluentCommunity; stands for all webhooks with that title.
    Title(String),
}

impl Protection {
    pub(super) fn read_all(settings: &mut Settings) -> Result<Vec<Self>, Reported> {
        let all = TABLES.read_all(settings, Self::read)?;
        refuse_shared_secrets(settings, &all)?;
        Ok(all)
    }

    fn shares_secret(&self, other: &Self) -> bool {
        let (one, other) = (self.secrets.iter(), other.secrets.as_deref());
        let mut one = one.flatten();
        one.any(|one| {
            other
                .into_iter()
                .flatten()
                .any(|other| is_same_key(one, other))
        })
    }

    fn read(settings: &mut Settings, table: Table) -> Result<Self, Reported> {
        let webhook = webhook(settings, &table);
        let networks_key = table.key("allowed_networks");
        let networks = settings
            .is_known(&networks_key)
            .then(|| networks(settings, &networks_key));
        let secrets = secrets(settings, &table);
        let php_may_execute = table.flag(settings, "php_may_execute");
        if networks.is_none() && matches!(secrets, Ok(None)) {
            let remedy = "set allowed_networks, secrets or secrets_file in it, or remove it";
            return Err(table.refuse(settings, "protects nothing", remedy));
        }
        Ok(Self {
            webhook: webhook?,
            allowed_networks: networks.transpose()?,
            secrets: secrets?,
            php_may_execute: php_may_execute?,
            name: table.name,
        })
    }
}

/// A signature does not say for which webhook a call is: with the same secret, a call of one could be sent to another.
fn refuse_shared_secrets(settings: &mut Settings, all: &[Protection]) -> Result<(), Reported> {
    let mut refused = Ok(());
    for (index, one) in all.iter().enumerate() {
        let others = all[..index].iter();
        let mut others = others.filter(|other| other.webhook != one.webhook);
        if let Some(other) = others.find(|other| one.shares_secret(other)) {
            let (one, other) = (&one.name, &other.name);
            refused = Err(settings.note(Problem::new(
                format!("protection.{one}"),
                format!(
                    "has a secret of protection.{other}, so that a call of one webhook could be sent to the other"
                ),
                format!("give each webhook its own: {MAKE_ONE}"),
            )));
        }
    }
    refused
}

fn webhook(settings: &mut Settings, table: &Table) -> Result<ProtectedWebhook, Reported> {
    let (id, title) = (table.key("webhook_id"), table.key("webhook_title"));
    match (settings.is_given(&id), settings.is_given(&title)) {
        (true, false) => settings.number(&id, 1..=u64::MAX).map(ProtectedWebhook::Id),
        (false, true) => settings
            .parsed(&title, |text| Ok(text.to_owned()))
            .map(ProtectedWebhook::Title),
        (given, _) => {
            let what = if given {
                "names its webhook twice"
            } else {
                "names no webhook"
            };
            let remedy =
                "set one of webhook_id (the row's id in fcom_meta) and webhook_title in it";
            Err(table.refuse(settings, what, remedy))
        }
    }
}

fn networks(settings: &mut Settings, key: &str) -> Result<Vec<IpNet>, Reported> {
    let networks = settings.list(key, parse_network)?;
    if networks.is_empty() {
        let remedy = "list who may call, e.g. [\"192.0.2.0/24\"], or remove it to allow everybody";
        return Err(settings.note(Problem::new(
            key,
            "is empty, so that nobody could call",
            remedy,
        )));
    }
    Ok(networks)
}

/// Reads one or more secrets. Not set means none; empty is a problem. Neither commas nor blanks are of `whsec_…`, so that commas separate.
fn secrets(
    settings: &mut Settings,
    table: &Table,
) -> Result<Option<Vec<SecretSlice<u8>>>, Reported> {
    let Some((texts, from)) = table.secrets(settings)? else {
        return Ok(None);
    };
    let texts = texts.iter().flat_map(|text| text.split(',')).map(str::trim);
    let texts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
    if texts.is_empty() {
        return Err(settings.note(Problem::new(
            from,
            "holds no secret",
            format!("{MAKE_ONE}, or remove it to ask for no signature"),
        )));
    }
    let secrets: Vec<_> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            secret(text).map_err(|what| {
                let what = format!("secret {} {what}", index + 1);
                settings.note(Problem::new(&from, what, MAKE_ONE))
            })
        })
        .collect();
    secrets.into_iter().collect::<Result<_, _>>().map(Some)
}

const MAKE_ONE: &str = "make one, e.g. with: echo \"whsec_$(openssl rand -base64 32)\"";

/// Decodes the key in a secret, or reports what is wrong with it, without showing the secret.
fn secret(text: &str) -> Result<SecretSlice<u8>, String> {
    let encoded = text
        .strip_prefix("whsec_")
        .ok_or("does not begin with whsec_")?;
    if PUBLISHED.contains(&encoded.trim_end_matches('=')) {
        return Err("is an example from documentation, which everybody knows".to_owned());
    }
    let key = BASE64
        .decode(encoded)
        .map_err(|_| "is not base64 after whsec_")?;
    if !KEY_BYTES.contains(&key.len()) {
        let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
        return Err(format!(
            "holds {} bytes instead of {least} to {most}",
            key.len()
        ));
    }
    let different: BTreeSet<u8> = key.iter().copied().collect();
    // Fewer than one random key in 10^30 has so few different bytes.
    if different.len() < 8 {
        return Err("is not random".to_owned());
    }
    Ok(SecretSlice::from(key))
}

/// However they were written. HMAC fills a key up with zero bytes, so that those at its end make no difference.
fn is_same_key(one: &SecretSlice<u8>, other: &SecretSlice<u8>) -> bool {
    let [one, other] = [one, other].map(|key| {
        let key = key.expose_secret();
        let end = key.iter().rposition(|&byte| byte != 0);
        &key[..end.map_or(0, |last| last + 1)]
    });
    one == other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_that_everybody_could_guess_are_refused() {
        let good = secret("whsec_r/nTfmVLvtoDmyrKTFH1v7bCqm5QXwpS").unwrap();
        assert_eq!(good.expose_secret().len(), 24);
        for (text, said) in [
            ("", "whsec_"),
            ("null", "whsec_"),
            ("changeme", "whsec_"),
            ("r/nTfmVLvtoDmyrKTFH1v7bCqm5QXwpS", "whsec_"),
            ("whsec_", "0 bytes"),
            ("whsec_…", "base64"),
            ("whsec_r/nTfmVLvtoDmyrKTFH1v7bC", "18 bytes"),
            ("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "random"),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "example"),
        ] {
            let what = secret(text).unwrap_err();
            assert!(what.contains(said), "{text}: {what}");
        }
    }
}
