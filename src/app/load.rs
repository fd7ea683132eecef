//! Loads the configuration and runs the checks that need the rules of WordPress or of a library.

use crate::config::{Config, ConfigError, Sources};
use crate::mail::{NotAddresses, Sender};
use crate::telemetry::NewFilter;

/// Loads the configuration and checks the log's filter and the addresses in `[mail]`.
///
/// # Errors
/// All problems found, each with its option and a remedy.
pub fn load(sources: Sources) -> Result<Config, ConfigError> {
    let config = Config::load(sources)?;
    let mut problems = Vec::new();
    let filter = &config.log.filter;
    if NewFilter::parse(filter).is_err() {
        let remedy = "write \"info\" or \"fcom_sidecar=debug\", for example";
        problems.push(config.refuse("log.filter", filter, "is not a filter of tracing", remedy));
    }
    if let Err(NotAddresses(options)) = Sender::new(&config.mail, &config.wordpress) {
        let what = "is not an e-mail address";
        let remedy = "write it like \"community@example.com\"";
        let refuse = |(key, value): (_, String)| config.refuse(key, &value, what, remedy);
        problems.extend(options.into_iter().map(refuse));
    }
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError { problems })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_none_are_refused_with_their_options() {
        let set = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let overrides = [
            ("database.url", "mysql://user:password@db.example/site"),
            ("mail.transport", "off"),
            ("mail.from", "nobody"),
            ("mail.reply_to", "help@example.com"),
            ("mail.envelope_from", "a b@example.com"),
        ];
        let sources = Sources {
            overrides: overrides.map(set).to_vec(),
            ..Sources::default()
        };
        assert_eq!(
            load(sources).unwrap_err().to_string(),
            "the configuration has 2 problems:\n  \
             mail.from: \"nobody\" is not an e-mail address (from the command line)\n    \
             write it like \"community@example.com\"\n  \
             mail.envelope_from: \"a b@example.com\" is not an e-mail address (from the command line)\n    \
             write it like \"community@example.com\""
        );
    }
}
