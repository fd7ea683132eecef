//! Presets, and what is refused at start.

use crate::config::{Config, ConfigError, Sources};

use super::*;

fn load(options: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let url = ("database.url", "mysql://user:password@localhost/database");
    let options = options
        .iter()
        .map(|(key, value)| (format!("source.shop.{key}"), (*value).to_owned()));
    let overrides = [(url.0.to_owned(), url.1.to_owned())]
        .into_iter()
        .chain(options);
    Config::load(Sources {
        overrides: overrides.collect(),
        ..Sources::default()
    })
}

#[test]
fn every_preset_is_whole_once_its_webhook_and_secret_are_named() {
    let presets: toml_names::Names = toml_names::of(PRESETS);
    assert_eq!(presets.len(), 15);
    for preset in presets {
        let mut options = vec![("webhook_id", "3"), ("preset", preset.as_str())];
        if let Err(error) = load(&options) {
            assert!(error.to_string().contains("no secret"), "{preset}: {error}");
            options.push(("secrets", "a secret of the sender"));
        }
        let config = load(&options).unwrap_or_else(|error| panic!("{preset}: {error}"));
        let source = &config.sources[0];
        assert_eq!((source.webhook_id, source.name.as_str()), (3, "shop"));
    }
}

mod toml_names {
    pub(super) type Names = Vec<String>;

    /// The tables of a file whose names have no full stop.
    pub(super) fn of(text: &str) -> Names {
        let tables = text
            .lines()
            .filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
        tables
            .filter(|name| !name.contains('.'))
            .map(str::to_owned)
            .collect()
    }
}

#[test]
fn what_can_never_work_is_refused_with_a_remedy() {
    for (options, said) in [
        (&[("preset", "shop")][..], "is not a known choice"),
        (&[], "does not say what is sent"),
        (&[("body", "xml")], "is not a known choice"),
        (&[("fields.email", "a..b")], "can never match"),
        (
            &[("fields.email", "{{ a | b }}")],
            "no expression that works",
        ),
        (&[("fields.first_name", "a")], "where the address is"),
        (&[("fields.e_mail", "a")], "is not an option"),
        (&[("only_if", "a = b")], "no expression that works"),
        (&[("signature", "stripe")], "no secret"),
        (&[("signature", "md5")], "is not a known choice"),
        (&[("secrets", "a")], "how calls are signed"),
        (&[("secrets", "a"), ("signature", "header")], "which header"),
        (&[("secrets", "a"), ("signature", "field")], "which field"),
        (&[("secrets", ""), ("signature", "github")], "is empty"),
        (
            &[("secrets", "7 bytes"), ("signature", "github")],
            "secret 1 is shorter than 8 bytes",
        ),
        (
            &[("secrets", "whsec_1,whsec_2"), ("signature", "stripe")],
            "a text is one secret",
        ),
        (
            &[("secrets", "secret-1\nsecret-2"), ("signature", "tally")],
            "a text is one secret",
        ),
        (
            &[
                ("secrets", "Geheimniß"),
                ("signature", "header"),
                ("signature_header", "X-Secret"),
            ],
            "no header can hold it",
        ),
        (
            &[("secrets", "Geheimnis"), ("signature", "basic")],
            "user:password",
        ),
        (&[("idempotency", "header:a b")], "names no header"),
        (&[("idempotency", "'order'")], "would make all events one"),
        (&[("remove_only", "perhaps")], "neither true nor false"),
    ] {
        let mut all = vec![("webhook_id", "3")];
        let sets = |name: &str| options.iter().any(|(key, _)| *key == name);
        if !options.is_empty() && !sets("body") && !sets("preset") {
            all.push(("body", "json"));
        }
        all.extend(options);
        let error = load(&all).unwrap_err().to_string();
        assert!(error.contains(said), "{all:?}: {error}");
        let secret = options.iter().find(|(key, _)| *key == "secrets");
        let is_shown = secret.is_some_and(|(_, text)| text.len() > 1 && error.contains(text));
        assert!(!is_shown, "{all:?}: {error}");
    }
    let error = load(&[("body", "json")]).unwrap_err().to_string();
    assert!(error.contains("names no webhook"), "{error}");
}

#[test]
fn a_webhook_has_one_source() {
    let twice = [("webhook_id", "3"), ("body", "json")];
    let url = ("database.url", "mysql://user:password@localhost/database");
    let both = ["a", "b"].iter().flat_map(|name| {
        twice
            .iter()
            .map(move |(key, value)| (format!("source.{name}.{key}"), (*value).to_owned()))
    });
    let error = Config::load(Sources {
        overrides: both.chain([(url.0.to_owned(), url.1.to_owned())]).collect(),
        ..Sources::default()
    });
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("is the webhook of source.a")
    );
}

#[test]
fn an_own_option_goes_before_the_preset_s() {
    let options = [
        ("webhook_id", "3"),
        ("preset", "stripe-checkout"),
        ("signature", "none"),
        ("fields.last_name", ""),
    ];
    let config = load(&options).unwrap();
    let source = &config.sources[0];
    assert!(source.signature.is_none());
    let fields = source.fields.as_ref().unwrap();
    let fields: Vec<&str> = fields.iter().map(|(field, _)| field.name()).collect();
    assert_eq!(fields, ["email", "first_name"]);
}
