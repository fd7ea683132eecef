//! The templates of the pages, embedded. Every text that they write is escaped and has its addresses masked, whatever the template
//! says; what a reader has just typed is marked as such.

use std::fmt::Write;

use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value};

use super::mask::mask;
use crate::telemetry::steers;

macro_rules! templates {
    ($($name:literal)+) => {
        const TEMPLATES: &[(&str, &str)] = &[$(($name, include_str!(concat!("pages/", $name))),)+];
    };
}

templates! {
    "base.html" "macros.html" "trouble.html" "login.html" "overview.html" "runs.html" "run.html" "refused.html" "refusal.html"
    "webhooks.html" "webhook.html" "webhook_form.html" "webhook_entries.html" "address.html" "trial.html" "mails.html" "mail.html"
    "mail_acts.html" "hooks.html" "shadow.html" "shadowed.html" "payload.html" "mapped.html" "check.html" "config.html"
}

/// The compiled templates.
pub(super) struct Templates(Environment<'static>);

impl Templates {
    /// # Panics
    /// If a template is none.
    pub(super) fn compile() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_formatter(|out, _, value| {
            let written = match value.as_str() {
                Some(text) if value.is_safe() => out.write_str(text),
                Some(text) => escape(out, &mask(text)),
                None if value.is_none() => Ok(()),
                None => escape(out, &value.to_string()),
            };
            written.map_err(minijinja::Error::from)
        });
        environment.add_filter("typed", |text: String| {
            let mut escaped = String::with_capacity(text.len());
            // Writing to a string cannot fail.
            let _ = escape(&mut escaped, &text);
            Value::from_safe_string(escaped)
        });
        for (name, text) in TEMPLATES {
            let added = environment.add_template(name, text);
            added.unwrap_or_else(|error| panic!("{name} is no template: {error:#}"));
        }
        Self(environment)
    }

    pub(super) fn render(&self, name: &str, values: Value) -> Result<String, minijinja::Error> {
        self.0.get_template(name)?.render(values)
    }
}

fn escape(out: &mut impl Write, text: &str) -> std::fmt::Result {
    // What reorders letters would, also on a page; and a page may be fetched into a terminal.
    let is_control = |letter| steers(letter) && !matches!(letter, '\n' | '\r' | '\t');
    let mut rest = text;
    while let Some(place) = rest.find(|letter| "&<>\"'".contains(letter) || is_control(letter)) {
        out.write_str(&rest[..place])?;
        out.write_str(match rest.as_bytes()[place] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\'' => "&#39;",
            _ => "\u{fffd}",
        })?;
        let length = rest[place..].chars().next().map_or(1, char::len_utf8);
        rest = &rest[place + length..];
    }
    out.write_str(rest)
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    #[test]
    fn every_text_is_escaped_and_masked() {
        let mut templates = Templates::compile();
        let page = "<p title=\"{{ a }}\">{{ a ~ b }}{{ c|typed }}{{ [a]|join(', ') }}{{ d }}{% set e %}{{ a }}{% endset %}{{ e }}";
        templates.0.add_template("page", page).unwrap();
        let values = context! {
            a => "\"><script>\u{1b}\u{9b}'&",
            b => "ann@example.com",
            c => "ann@example.com<",
            d => Option::<&str>::None,
        };
        let shown = templates.render("page", values).unwrap();
        let escaped = "&quot;&gt;&lt;script&gt;\u{fffd}\u{fffd}&#39;&amp;";
        assert_eq!(
            shown,
            format!(
                "<p title=\"{escaped}\">{escaped}a…@example.comann@example.com&lt;{escaped}{escaped}"
            )
        );
        assert!(templates.render("page", context! {}).is_err());
    }

    #[test]
    fn no_template_has_what_the_policy_forbids() {
        for (name, text) in TEMPLATES {
            for forbidden in [
                "style=",
                "<style",
                " on",
                "javascript:",
                "http://",
                "https://",
                "|safe",
            ] {
                let found = text.match_indices(forbidden).find(|(place, _)| {
                    // An attribute such as onclick; prose has such words, too.
                    forbidden != " on"
                        || text[place + 3..].split('=').next().is_some_and(|rest| {
                            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_lowercase())
                        })
                });
                assert!(found.is_none(), "{forbidden} in {name}");
            }
        }
    }
}
