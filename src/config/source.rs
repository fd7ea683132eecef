//! `[source.NAME]`: what the calls of a webhook look like, in its own words or in a preset's. Mirrors nothing in PHP.
//!
//! Whatever can be found wrong without a call is refused here: paths that can never match, expressions that do not parse, signatures
//! without secrets.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::sync::Arc;

use ::config::{FileFormat, Format, Value};
use secrecy::SecretSlice;

use super::problem::{Flaw, Problem, Reported};
use super::settings::Settings;
use crate::source::{
    BadRule, Bodies, Condition, Field, Origin, Path, Rule, SchemeKind, Signature, Source,
};

pub(super) const SECTION: &str = "source";

/// The options of each table.
pub(super) const KEYS: &[&str] = &[
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
    "fields.email",
    "fields.first_name",
    "fields.last_name",
    "fields.user_login",
    "fields.user_password",
];

const PRESETS: &str = include_str!("../../deploy/presets.toml");

const NAME_A_SECRET: &str =
    "set secrets or secrets_file to what the sender shows as the webhook's secret";

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

/// Whether this is an option of a source, or the name of a source without options.
pub(super) fn is_option(key: &str) -> bool {
    parts(key).is_some_and(|(_, option)| option.is_none_or(|option| KEYS.contains(&option)))
}

fn parts(key: &str) -> Option<(&str, Option<&str>)> {
    let rest = key.strip_prefix(SECTION)?.strip_prefix('.')?;
    match rest.split_once('.') {
        Some((name, option)) => Some((name, Some(option))),
        None => Some((rest, None)),
    }
}

/// Reads all sources; `flatten` turns tables into dotted keys.
pub(super) fn read_all(
    settings: &mut Settings,
    flatten: impl Fn(HashMap<String, Value>) -> Vec<(String, Value)>,
) -> Result<Vec<Arc<Source>>, Reported> {
    let names: BTreeSet<String> = settings
        .keys()
        .filter_map(parts)
        .map(|(name, _)| name.to_owned())
        .collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let presets = FileFormat::Toml.parse(None, PRESETS);
    let presets = flatten(presets.expect("the presets are TOML"));
    let all: Vec<_> = names
        .into_iter()
        .map(|name| read(settings, name, &presets))
        .collect();
    let all: Vec<Source> = all.into_iter().collect::<Result<_, _>>()?;
    for (index, one) in all.iter().enumerate() {
        let mut others = all[..index].iter();
        if let Some(other) = others.find(|other| other.webhook_id == one.webhook_id) {
            return Err(settings.note(Problem::new(
                format!("{SECTION}.{}.webhook_id", one.name),
                format!("is the webhook of {SECTION}.{}, too", other.name),
                "give each source a webhook of its own: a call is read in one way only",
            )));
        }
    }
    Ok(all.into_iter().map(Arc::new).collect())
}

fn read(
    settings: &mut Settings,
    name: String,
    presets: &[(String, Value)],
) -> Result<Source, Reported> {
    let table = format!("{SECTION}.{name}");
    if settings.is_known(&table) {
        let remedy = format!("set the options in it: {}", KEYS.join(", "));
        return Err(settings.note(Problem::new(&table, "is not a table of options", remedy)));
    }
    let key = |option: &str| format!("{table}.{option}");
    apply_preset(settings, &key, presets)?;
    let webhook_id = if settings.is_known(&key("webhook_id")) {
        settings.number(&key("webhook_id"), 1..=u64::MAX)
    } else {
        let remedy = "set webhook_id in it: \"fcom-sidecar webhook list\" shows the ids";
        Err(settings.note(Problem::new(&table, "names no webhook", remedy)))
    };
    let bodies = if settings.is_known(&key("body")) {
        let choices = [
            ("form", Bodies::Form),
            ("json", Bodies::Json),
            ("any", Bodies::Any),
        ];
        settings.one_of(&key("body"), &choices)
    } else {
        let remedy = "set body in it (\"form\", \"json\" or \"any\"), or a preset";
        Err(settings.note(Problem::new(&table, "does not say what is sent", remedy)))
    };
    let fields = fields(settings, &table, &key);
    let only_if = optional(settings, &key("only_if"), Condition::parse);
    let mut flag = |option| {
        let is_given = settings.is_known(&key(option));
        if is_given {
            settings.flag(&key(option))
        } else {
            Ok(false)
        }
    };
    let [remove_only, trim_email, lower_case_email] =
        ["remove_only", "trim_email", "lower_case_email"].map(&mut flag);
    let idempotency = idempotency(settings, &key("idempotency"));
    let signature = signature(settings, &table, &key);
    let ping_field = settings.optional(&key("ping_field"));
    Ok(Source {
        name,
        webhook_id: webhook_id?,
        bodies: bodies?,
        fields: fields?,
        only_if: only_if?,
        remove_only: remove_only?,
        trim_email: trim_email?,
        lower_case_email: lower_case_email?,
        idempotency: idempotency?,
        signature: signature?,
        ping_field: ping_field?,
    })
}

/// Sets what the preset says and the operator does not.
fn apply_preset(
    settings: &mut Settings,
    key: &impl Fn(&str) -> String,
    presets: &[(String, Value)],
) -> Result<(), Reported> {
    let names: BTreeSet<&str> = presets
        .iter()
        .filter_map(|(key, _)| key.split('.').next())
        .collect();
    let choices: Vec<(&str, &str)> = names.into_iter().map(|name| (name, name)).collect();
    if !settings.is_known(&key("preset")) {
        return Ok(());
    }
    let chosen = settings.one_of(&key("preset"), &choices)?;
    for (option, value) in presets {
        let option = option
            .strip_prefix(chosen)
            .and_then(|rest| rest.strip_prefix('.'));
        if let Some(option) = option.map(key).filter(|option| !settings.is_known(option)) {
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

fn fields(
    settings: &mut Settings,
    table: &str,
    key: &impl Fn(&str) -> String,
) -> Result<Option<Vec<(Field, Rule)>>, Reported> {
    let mut fields = Vec::new();
    let (mut given, mut reported) = (false, None);
    for field in Field::ALL {
        let key = key(&format!("fields.{}", field.name()));
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
        return Err(settings.note(Problem::new(table, what, remedy)));
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
        None => Ok(rule(settings, key)?.map(Origin::Body)),
    }
}

fn is_header(name: &str) -> bool {
    let is_of_header = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    !name.is_empty() && name.bytes().all(is_of_header)
}

fn signature(
    settings: &mut Settings,
    table: &str,
    key: &impl Fn(&str) -> String,
) -> Result<Option<Signature>, Reported> {
    let secrets = secrets(settings, key);
    let field = optional(settings, &key("signature_field"), Path::parse)?;
    let header = settings.optional_parsed(&key("signature_header"), |name| {
        if is_header(name) {
            Ok(name.to_owned())
        } else {
            Err(Flaw::new(
                "is no header's name",
                "write it as the sender does, e.g. \"X-Signature\"",
            ))
        }
    })?;
    let scheme = if settings.is_known(&key("signature")) {
        let in_body = (IN_BODY, Some((SchemeKind::BodyField, "")));
        let choices: Vec<_> = SCHEMES.into_iter().chain([in_body]).collect();
        settings.one_of(&key("signature"), &choices)?
    } else {
        None
    };
    let mut refuse =
        |what: &str, remedy: &str| Err(settings.note(Problem::new(table, what, remedy)));
    let Some((kind, usual)) = scheme else {
        return match secrets? {
            Some(_) => refuse(
                "has secrets, but does not say how calls are signed with them",
                "set signature in it, e.g. \"header\" with signature_header, or remove the secrets",
            ),
            None => Ok(None),
        };
    };
    let Some(secrets) = secrets? else {
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
        secrets: secrets.into(),
    }))
}

/// One or more secrets, given directly or one per line in a file.
fn secrets(
    settings: &mut Settings,
    key: &impl Fn(&str) -> String,
) -> Result<Option<Vec<SecretSlice<u8>>>, Reported> {
    let (outright, file) = (key("secrets"), key("secrets_file"));
    let (texts, from) = match (settings.is_known(&outright), settings.is_known(&file)) {
        (false, false) => return Ok(None),
        (true, true) => {
            let what = format!("is given, and so is {file}");
            return Err(settings.note(Problem::new(outright, what, "keep one of the two")));
        }
        (true, false) => (settings.secret_list(&outright)?, outright),
        (false, true) => {
            let path = settings.parsed(&file, |path| Ok(path.to_owned()))?;
            let content = fs::read_to_string(&path).map_err(|error| {
                let what = format!("cannot be read: {error}");
                let remedy = "name a file that the daemon's user can read";
                settings.refuse(&file, &Flaw::new(what, remedy))
            })?;
            settings.note_content(&file, &content);
            let lines = content.lines().map(str::trim);
            let texts = lines.filter(|line| !line.is_empty()).map(str::to_owned);
            (texts.collect(), file)
        }
    };
    if texts.is_empty() || texts.iter().any(|text| text.trim().is_empty()) {
        return Err(settings.note(Problem::new(from, "holds no secret", NAME_A_SECRET)));
    }
    let secrets = texts
        .into_iter()
        .map(|text| SecretSlice::from(text.into_bytes()));
    Ok(Some(secrets.collect()))
}

#[cfg(test)]
mod tests;
