//! Checks that need no database: the configuration, the mail server and the site's files.

use super::report::Finding;
use super::schema::Schema;
use crate::config::{Config, ConfigError, Sources, Transport};
use crate::db::Purpose;
use crate::operations::trial_mail;
use crate::site::SiteError;
use crate::telemetry;

const CONFIGURATION: &str = "configuration";
const WP_CONFIG: &str = "wp-config";
const WELCOME_MAIL: &str = "welcome-mail";
const OBJECT_CACHE: &str = "object-cache";

/// Reports the problems that keep the configuration from loading.
pub(super) fn problems(error: ConfigError) -> Vec<Finding> {
    let problems = error.problems.into_iter();
    problems
        .map(|problem| {
            let found = format!("{}: {}", problem.key, problem.what);
            Finding::failed(CONFIGURATION, found, problem.remedy)
        })
        .collect()
}

/// Reports table names that cannot be used in SQL.
pub(super) fn unusable_tables(error: &SiteError) -> Finding {
    let found = telemetry::chain(error);
    let remedy = "write ASCII letters, digits and underscores only, 64 at most";
    Finding::failed(CONFIGURATION, found, remedy)
}

/// Reports the sources of the configuration, and the parts of `wp-config.php` that only PHP can evaluate.
pub(super) fn configuration(config: &Config, sources: &Sources) -> Vec<Finding> {
    let mut parts = Vec::new();
    if let Some(file) = &sources.file {
        parts.push(file.display().to_string());
    }
    let variables = sources.environment.iter();
    let variables = variables
        .filter(|(name, _)| name.starts_with("FCOM_SIDECAR__"))
        .count();
    if variables > 0 {
        parts.push(format!("{variables} environment variables"));
    }
    if !sources.overrides.is_empty() {
        parts.push(format!("{} command-line options", sources.overrides.len()));
    }
    if let Some(root) = &config.wordpress.root {
        let files = config.wordpress.config_files.iter();
        let files: Vec<_> = files.map(|file| file.display().to_string()).collect();
        let files = files.join(", ");
        parts.push(format!(
            "the WordPress files in {} ({files})",
            root.display()
        ));
    }
    if parts.is_empty() {
        parts.push("defaults only".to_owned());
    }
    let mut findings = vec![Finding::ok(CONFIGURATION, parts.join(", "))];
    findings.extend(config.wordpress.notes.iter().map(|note| {
        let remedy = "if check shows a wrong portal address below, set wordpress.home and wordpress.site_url, or write \
                      the value out in wp-config.php";
        Finding::warning(WP_CONFIG, note, remedy)
    }));
    findings
}

/// Whether welcome mails can be sent; without `schema`, as far as the configuration tells.
pub(super) fn welcome_mail(config: &Config, schema: Option<&Schema>) -> Finding {
    match config.mail.transport {
        Transport::Off => Finding::ok(WELCOME_MAIL, "off: nobody is told"),
        Transport::Smtp if config.smtp.url.is_some() => match trial_mail::rehearse(config) {
            Ok(()) => Finding::ok(WELCOME_MAIL, "sent through smtp.url"),
            Err(error) => Finding::failed(WELCOME_MAIL, telemetry::chain(&error), trial_mail::MEND),
        },
        Transport::Smtp => Finding::warning(
            WELCOME_MAIL,
            "smtp.url is not set: mails wait in the outbox",
            "set smtp.url, or mail.transport to \"wordpress\" or \"off\"",
        ),
        Transport::WordPress => {
            if config.relay.enabled {
                return Finding::ok(WELCOME_MAIL, "sent by WordPress, through the relay");
            }
            let Some(schema) = schema else {
                let why = "the tables that hand mails to WordPress cannot be looked at";
                return Finding::skipped(WELCOME_MAIL, why);
            };
            let missing = schema.missing(&[Purpose::Jobs]);
            if missing.is_empty() {
                let found = "sent by WordPress through Action Scheduler; needs FluentCommunity 2.5.0 or later and a \
                             working cron";
                return Finding::ok(WELCOME_MAIL, found);
            }
            Finding::failed(
                WELCOME_MAIL,
                format!(
                    "mail.transport is \"wordpress\", but calls that send a mail fail without {}",
                    missing.join(", ")
                ),
                "open wp-admin as an administrator, which creates Action Scheduler's tables, or set mail.transport to \
                 \"smtp\"",
            )
        }
    }
}

/// A persistent object cache keeps copies that direct writes make stale.
pub(super) fn object_cache(config: &Config) -> Finding {
    let content = &config.wordpress.content;
    let drop_in = content.below("object-cache.php");
    let Some(drop_in) = drop_in.filter(|drop_in| drop_in.exists()) else {
        return match content.obscured() {
            None => Finding::ok(OBJECT_CACHE, "none that outlives a request"),
            Some(why) if config.wordpress.root.is_none() => Finding::skipped(
                OBJECT_CACHE,
                format!("{why}, so nobody knows whether wp-content/object-cache.php is there"),
            ),
            Some(why) => Finding::warning(
                OBJECT_CACHE,
                format!("nobody knows whether object-cache.php is there: {why}"),
                "let wordpress.content name the site's wp-content",
            ),
        };
    };
    if config.relay.enabled {
        return Finding::ok(
            OBJECT_CACHE,
            "there, and the relay drops stale copies from it",
        );
    }
    Finding::warning(
        OBJECT_CACHE,
        format!(
            "{} is there: lists of users (groups users and user-queries), data of users who leave spaces (user_meta) and \
             the user count (options) may be stale for a while",
            drop_in.display()
        ),
        "turn the relay on ([relay] in the configuration), or let the cache's entries expire (a maximum TTL)",
    )
}
