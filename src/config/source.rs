//! `[source.NAME]`: what the calls of a webhook look like, in its own words or in a preset's. Mirrors nothing in PHP.
//!
//! Whatever can be found wrong without a call is refused here: paths that can never match, expressions that do not parse, signatures
//! without secrets.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use ::config::{FileFormat, Format, Value};
use secrecy::SecretSlice;

use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;
use super::tables::{Table, Tables};
use crate::source::{
    BadRule, Bodies, Condition, Field, Origin, Path, Rule, SchemeKind, Signature, Source,
};

pub(super) const TABLES: Tables = Tables {
    section: "source",
    options: &[
        "webhook_id",
        "preset",
        "body",
        "only_if",
        "remove_only",
        "trim_email",
        "lower_case_email",
        "idempotency",
        "signature",
        "signature_header",
        "signature_field",
        "secrets",
        "secrets_file",
        "ping_field",
        "php_may_execute",
        "fields.email",
        "fields.first_name",
        "fields.last_name",
        "fields.user_login",
        "fields.user_password",
    ],
};

const PRESETS: &str = include_str!("../../deploy/presets.toml");

const NAME_A_SECRET: &str =
    "set secrets or secrets_file to what the sender shows as the webhook's secret";

const WRITE_SEVERAL: &str = "a text is one secret: write several as a list, secrets = [\"…\", \"…\"], or as lines of secrets_file";

/// Shorter keys of signatures, in bytes, are mistakes: what signs a body can be guessed with nothing but one call.
const SHORTEST_KEY: usize = 8;

/// The schemes by their names: how each signs, and in which header unless another one is set.
const SCHEMES: [(&str, Option<(SchemeKind, &str)>); 9] = [
    ("none", None),
    ("stripe", Some((SchemeKind::Stripe, "Stripe-Signature"))),
    (
        "woocommerce",
        Some((SchemeKind::Base64, "X-WC-Webhook-Signature")),
    ),
    (
        "shopify",
        Some((SchemeKind::Base64, "X-Shopify-Hmac-Sha256")),
    ),
    (
        "typeform",
        Some((SchemeKind::PrefixedBase64, "Typeform-Signature")),
    ),
    ("tally", Some((SchemeKind::Base64, "Tally-Signature"))),
    (
        "github",
        Some((SchemeKind::PrefixedHex, "X-Hub-Signature-256")),
    ),
    ("header", Some((SchemeKind::Header, ""))),
    ("basic", Some((SchemeKind::Basic, "Authorization"))),
];

/// A scheme whose secret is in the body.
const IN_BODY: &str = "field";

/// Reads all sources; `flatten` turns tables into dotted keys.
pub(super) fn read_all(
    settings: &mut Settings,
    flatten: impl Fn(HashMap<String, Value>) -> Vec<(String, Value)>,
) -> Result<Vec<Arc<Source>>, Reported> {
    let presets = FileFormat::Toml.parse(None, PRESETS);
    let presets = flatten(presets.expect("the presets are TOML"));
    let all = TABLES.read_all(settings, |settings, table| read(settings, table, &presets))?;
    for (index, one) in all.iter().enumerate() {
        let mut others = all[..index].iter();
        if let Some(other) = others.find(|other| other.webhook_id == one.webhook_id) {
            return Err(settings.note(Problem::new(
                format!("source.{}.webhook_id", one.name),
                format!("is the webhook of source.{}, too", other.name),
                "give each source a webhook of its own: a call is read in one way only",
            )));
        }
    }
    Ok(all.into_iter().map(Arc::new).collect())
}

fn read(
    settings: &mut Settings,
    table: Table,
    presets: &[(String, Value)],
) -> Result<Source, Reported> {
    apply_preset(settings, &table, presets)?;
    let (id, body) = (table.key("webhook_id"), table.key("body"));
    let webhook_id = if settings.is_known(&id) {
        settings.number(&id, 1..=u64::MAX)
    } else {
        let remedy = "set webhook_id in it: \"fcom-sidecar webhook list\" shows the ids";
        Err(table.refuse(settings, "names no webhook", remedy))
    };
    let bodies = if settings.is_known(&body) {
        let choices = [
            ("form", Bodies::Form),
            ("json", Bodies::Json),
            ("any", Bodies::Any),
        ];
        settings.one_of(&body, &choices)
    } else {
        let remedy = "set body in it (\"form\", \"json\" or \"any\"), or a preset";
        Err(table.refuse(settings, "does not say what is sent", remedy))
    };
    let fields = fields(settings, &table);
    let only_if = optional(settings, &table.key("only_if"), Condition::parse);
    let flags = [
        "remove_only",
        "trim_email",
        "lower_case_email",
        "php_may_execute",
    ];
    let [remove_only, trim_email, lower_case_email, php_may_execute] =
        flags.map(|option| table.flag(settings, option));
    let idempotency = idempotency(settings, &table.key("idempotency"));
    let signature = signature(settings, &table);
    let ping_field = settings.optional(&table.key("ping_field"));
    Ok(Source {
        webhook_id: webhook_id?,
        bodies: bodies?,
        fields: fields?,
        only_if: only_if?,
        remove_only: remove_only?,
        trim_email: trim_email?,
        lower_case_email: lower_case_email?,
        php_may_execute: php_may_execute?,
        idempotency: idempotency?,
        signature: signature?,
        ping_field: ping_field?,
        name: table.name,
    })
}

/// Sets what the preset says and the operator does not.
fn apply_preset(
    settings: &mut Settings,
    table: &Table,
    presets: &[(String, Value)],
) -> Result<(), Reported> {
    let names: BTreeSet<&str> = presets
        .iter()
        .filter_map(|(key, _)| key.split('.').next())
        .collect();
    let choices: Vec<(&str, &str)> = names.into_iter().map(|name| (name, name)).collect();
    let preset = table.key("preset");
    if !settings.is_known(&preset) {
        return Ok(());
    }
    let chosen = settings.one_of(&preset, &choices)?;
    for (option, value) in presets {
        let option = option
            .strip_prefix(chosen)
            .and_then(|rest| rest.strip_prefix('.'));
        let option = option.map(|option| table.key(option));
        if let Some(option) = option.filter(|option| !settings.is_known(option)) {
            settings.set(option, value.clone());
        }
    }
    Ok(())
}

fn flaw(bad: BadRule) -> Flaw {
    Flaw::new(bad.what, bad.remedy)
}

fn optional<T>(
    settings: &mut Settings,
    key: &str,
    parse: impl FnOnce(&str) -> Result<T, BadRule>,
) -> Result<Option<T>, Reported> {
    settings.optional_parsed(key, |text| parse(text).map_err(flaw))
}

/// One text or a list of alternatives; an empty text is none.
fn rule(settings: &mut Settings, key: &str) -> Result<Option<Rule>, Reported> {
    let parsed = match settings.texts(key) {
        None if settings.is_known(key) => {
            let what = "is neither a text nor a list of texts";
            Err(BadRule {
                what: what.to_owned(),
                remedy: "write a path, e.g. \"customer.email\", or a list of paths",
            })
        }
        None => return Ok(None),
        Some(texts) if texts == [""] => return Ok(None),
        Some(texts) => Rule::parse(texts.iter().map(String::as_str)),
    };
    parsed
        .map(Some)
        .map_err(|bad| settings.refuse(key, &flaw(bad)))
}

fn fields(settings: &mut Settings, table: &Table) -> Result<Option<Vec<(Field, Rule)>>, Reported> {
    let mut fields = Vec::new();
    let (mut given, mut reported) = (false, None);
    for field in Field::ALL {
        let key = table.key(&format!("fields.{}", field.name()));
        given |= settings.is_known(&key);
        match rule(settings, &key) {
            Ok(rule) => fields.extend(rule.map(|rule| (field, rule))),
            Err(error) => reported = Some(error),
        }
    }
    if let Some(error) = reported {
        return Err(error);
    }
    if given
        && fields
            .first()
            .is_none_or(|(field, _)| *field != Field::Email)
    {
        let remedy = "set fields.email, or no fields at all to read the five by their own names";
        let what = "has fields, but does not say where the address is";
        return Err(table.refuse(settings, what, remedy));
    }
    Ok(given.then_some(fields))
}

/// A header (`header:NAME`) or a rule as for fields.
fn idempotency(settings: &mut Settings, key: &str) -> Result<Option<Origin>, Reported> {
    let header = settings
        .text(key)
        .and_then(|text| text.strip_prefix("header:"))
        .map(|name| name.trim().to_owned());
    match header {
        Some(name) if is_header(&name) => Ok(Some(Origin::Header(name))),
        Some(_) => {
            let flaw = Flaw::new("names no header", "write e.g. \"header:X-Event-Id\"");
            Err(settings.refuse(key, &flaw))
        }
        None => {
            let rule = rule(settings, key)?;
            if rule.as_ref().is_some_and(Rule::may_be_fixed) {
                let flaw = Flaw::new(
                    "has a fixed text, which would make all events one",
                    "write a path or a template, e.g. \"order {{ id }}\"; an event without a name is executed as well",
                );
                return Err(settings.refuse(key, &flaw));
            }
            Ok(rule.map(Origin::Body))
        }
    }
}

fn is_header(name: &str) -> bool {
    let is_of_header = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !name.is_empty() && name.bytes().all(is_of_header)
}

fn signature(settings: &mut Settings, table: &Table) -> Result<Option<Signature>, Reported> {
    let given = table.secrets(settings);
    let field = optional(settings, &table.key("signature_field"), Path::parse)?;
    let header = settings.optional_parsed(&table.key("signature_header"), |name| {
        if is_header(name) {
            Ok(name.to_owned())
        } else {
            Err(Flaw::new(
                "is no header's name",
                "write it as the sender does, e.g. \"X-Signature\"",
            ))
        }
    })?;
    let signature = table.key("signature");
    let scheme = if settings.is_known(&signature) {
        let in_body = (IN_BODY, Some((SchemeKind::BodyField, "")));
        let choices: Vec<_> = SCHEMES.into_iter().chain([in_body]).collect();
        settings.one_of(&signature, &choices)?
    } else {
        None
    };
    let mut refuse = |what: &str, remedy: &str| Err(table.refuse(settings, what, remedy));
    let Some((kind, usual)) = scheme else {
        return match given? {
            Some(_) => refuse(
                "has secrets, but does not say how calls are signed with them",
                "set signature in it, e.g. \"header\" with signature_header, or remove the secrets",
            ),
            None => Ok(None),
        };
    };
    let Some(given) = given? else {
        return refuse(
            "asks for a signature, but has no secret to check it with",
            &format!(
                "{NAME_A_SECRET}; or signature = \"none\", and whoever knows the address can call"
            ),
        );
    };
    let header = header.unwrap_or_else(|| usual.to_owned());
    if kind == SchemeKind::BodyField && field.is_none() {
        return refuse(
            "does not say which field holds the secret",
            "set signature_field in it",
        );
    }
    if kind != SchemeKind::BodyField && header.is_empty() {
        return refuse(
            "does not say which header holds the secret",
            "set signature_header in it, e.g. \"X-Webhook-Secret\"",
        );
    }
    Ok(Some(Signature {
        kind,
        header,
        field,
        secrets: secrets(settings, kind, given)?,
    }))
}

/// Reads the sender's secrets. A blank at an end may be the sender's or have been pasted along: a secret counts with and without.
fn secrets(
    settings: &mut Settings,
    kind: SchemeKind,
    (texts, from): (Vec<String>, String),
) -> Result<Arc<[SecretSlice<u8>]>, Reported> {
    if texts.is_empty() {
        return Err(settings.note(Problem::new(from, "holds no secret", NAME_A_SECRET)));
    }
    let mut secrets = Vec::new();
    let mut refused = Ok(());
    for (index, text) in texts.into_iter().enumerate() {
        let bare = text.trim();
        if let Err(flaw) = can_fit(kind, bare) {
            let what = format!("secret {} {}", index + 1, flaw.what);
            refused = Err(settings.note(Problem::new(&from, what, flaw.remedy)));
        }
        if bare != text {
            secrets.push(SecretSlice::from(bare.as_bytes().to_vec()));
        }
        secrets.push(SecretSlice::from(text.into_bytes()));
    }
    refused.map(|()| secrets.into())
}

/// Whether a call can ever have this secret, and nobody guesses it from a signature.
fn can_fit(kind: SchemeKind, secret: &str) -> Result<(), Flaw> {
    let is_key = match kind {
        SchemeKind::Stripe
        | SchemeKind::Base64
        | SchemeKind::PrefixedBase64
        | SchemeKind::PrefixedHex => true,
        SchemeKind::Header | SchemeKind::BodyField | SchemeKind::Basic => false,
    };
    let (what, remedy) = if secret.is_empty() {
        ("is empty", NAME_A_SECRET)
    } else if secret.contains(['\n', '\r']) {
        ("has a line break", WRITE_SEVERAL)
    } else if kind == SchemeKind::Stripe && secret.contains(',') {
        ("has a comma, which no secret of Stripe has", WRITE_SEVERAL)
    } else if is_key && secret.len() < SHORTEST_KEY {
        (
            "is shorter than 8 bytes, so that it could be guessed from one signature",
            "set a longer one here and at the sender, e.g. from: openssl rand -hex 32",
        )
    } else if kind == SchemeKind::Header && !secret.bytes().all(|byte| matches!(byte, b' '..=b'~'))
    {
        (
            "has other characters than visible ASCII, so that no header can hold it",
            "set another one here and at the sender, e.g. from: openssl rand -hex 32",
        )
    } else if kind == SchemeKind::Basic && !secret.contains(':') {
        (
            "has no colon, so that it fits no user and password",
            "write it as user:password",
        )
    } else {
        return Ok(());
    };
    Err(Flaw::new(what, remedy))
}

#[cfg(test)]
mod tests;
