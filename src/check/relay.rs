//! Checks the relay: whether WordPress can be woken, which plugins listen there, and whether hooks get through.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::report::Finding;
use crate::clock::Clock;
use crate::config::{Config, Wake};
use crate::db::{Connection, Statements, TableNames};
use crate::events::{Installed, WordPress, WordPressError};
use crate::operations::backlog::{self, MOST_COUNTED};
use crate::operations::hooks::{self, LastFired};
use crate::telemetry::{self, Hooks};

pub(super) const EVENTS: &str = "relay-events";
const RELAY: &str = "relay";
const LISTENERS: &str = "relay-listeners";

/// A hook older than this was missed by both wake-ups and WP-Cron.
const LONG: TimeDelta = TimeDelta::minutes(5);

/// Queries the plugin itself.
pub(super) async fn check(config: &Config, tables: &TableNames) -> Vec<Finding> {
    if !config.relay.enabled {
        let off = "off: plugins do not hear of new users and memberships";
        return vec![Finding::ok(RELAY, off)];
    }
    let Some(wake) = &config.relay.wake else {
        return vec![
            Finding::warning(
                RELAY,
                "relay.url is not set: hooks wait until WP-Cron runs",
                "set relay.url and relay.secret, and FCOM_SIDECAR_SECRET in wp-config.php",
            ),
            Finding::skipped(LISTENERS, "relay.url is not set"),
        ];
    };
    let folder = &config.wordpress.content.must_use_plugins;
    match ask(wake, folder).await {
        Ok(installed) => vec![plugin(&installed, tables, folder), listeners(&installed)],
        Err((found, remedy)) => vec![
            Finding::failed(RELAY, found, remedy),
            Finding::skipped(LISTENERS, "the plugin cannot be asked"),
        ],
    }
}

async fn ask(wake: &Wake, folder: &str) -> Result<Installed, (String, String)> {
    let (url, secret) = (wake.url.clone(), wake.secret.clone());
    let wordpress = WordPress::new(url, secret, wake.timeout, folder);
    let wordpress = wordpress.map_err(|error| {
        let remedy = "see that the system has certificates to trust";
        (telemetry::chain(&error), remedy.to_owned())
    })?;
    let installed = wordpress.installed(Clock.now()).await;
    installed.map_err(|error| (telemetry::chain(&error), remedy(&error)))
}

/// What to do about output beside the plugin's answer.
const STRAY: &str = "end what prints there: a byte order mark or text outside of <?php … ?>, messages of PHP (display_errors = Off), or \
                     what is printed at PHP's end; visitors get it, too";

fn remedy(error: &WordPressError) -> String {
    let remedy = match error {
        WordPressError::Unreachable(_) => {
            "set relay.url to an address at which this machine reaches the site"
        }
        WordPressError::TooSlow => {
            "raise relay.timeout_seconds, or mend the plugin; if no hook is being fired, give PHP more processes"
        }
        WordPressError::Unreadable(_) => STRAY,
        WordPressError::NotInstalled(_, folder) => {
            return format!(
                "copy deploy/mu-plugin/fcom-sidecar.php to {folder}, and see that nothing keeps ?rest_route= from WordPress"
            );
        }
        WordPressError::Failed(_) => "look at the error logs of PHP and of the web server",
        WordPressError::Elsewhere(_) => "set relay.url to the site's final address",
        WordPressError::Refused => {
            "make relay.secret and FCOM_SIDECAR_SECRET in wp-config.php the same, and set both machines' clocks"
        }
        WordPressError::NoSecret => {
            "define FCOM_SIDECAR_SECRET in wp-config.php with the value of relay.secret"
        }
    };
    remedy.to_owned()
}

fn plugin(installed: &Installed, tables: &TableNames, folder: &str) -> Finding {
    let Installed {
        plugin,
        wordpress,
        php,
        ..
    } = installed;
    if installed.prefix != tables.prefix() {
        return Finding::failed(
            RELAY,
            format!(
                "the plugin looks at {}fcom_sidecar_events, not at {}fcom_sidecar_events",
                installed.prefix,
                tables.prefix()
            ),
            "set relay.url to the address of the site whose tables these are",
        );
    }
    if !installed.is_ours() {
        let found = if plugin == env!("CARGO_PKG_VERSION") {
            format!("the plugin is another edition of {plugin} than this daemon's")
        } else {
            format!("the plugin is of release {plugin}")
        };
        if installed.has_our_file() {
            return Finding::warning(
                RELAY,
                format!("{found}: PHP has not read its present file yet"),
                "reload PHP-FPM: with opcache.validate_timestamps=0 it does not look for changed files",
            );
        }
        return Finding::warning(
            RELAY,
            found,
            format!(
                "copy deploy/mu-plugin/fcom-sidecar.php of this release over the one in {folder}, and reload PHP-FPM if it has \
                 opcache.validate_timestamps=0"
            ),
        );
    }
    if let Some(place) = &installed.printed {
        let mut found =
            "something on the site prints before or after the plugin's answer".to_owned();
        if !place.is_empty() {
            found.push_str(": ");
            found.push_str(place);
        }
        return Finding::warning(RELAY, found, STRAY);
    }
    if !installed.fluentcommunity {
        return Finding::warning(
            RELAY,
            "FluentCommunity's classes are not loaded: hooks of memberships wait",
            "activate FluentCommunity",
        );
    }
    let found = format!("the plugin {plugin} answers, on WordPress {wordpress} and PHP {php}");
    Finding::ok(RELAY, found)
}

fn listeners(installed: &Installed) -> Finding {
    let mut plugins: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for listener in &installed.listeners {
        plugins
            .entry(&listener.plugin)
            .or_default()
            .push(&listener.hook);
    }
    let listening: Vec<String> = plugins
        .iter()
        .map(|(plugin, hooks)| format!("{plugin} ({})", hooks.join(", ")))
        .collect();
    let found = match listening.as_slice() {
        [] => "no plugin listens".to_owned(),
        some => some.join("; "),
    };
    Finding::ok(LISTENERS, found)
}

/// Whether hooks get through. If the relay is off, reports the events it left behind.
pub(super) async fn events(connection: &mut Connection, tables: &TableNames) -> Finding {
    let statements = Statements::render(tables);
    let hooks = backlog::hooks(connection, &statements).await;
    let last = hooks::last_fired(connection, &statements).await;
    match (hooks, last) {
        (Ok(hooks), Ok(last)) => judge(&hooks, last.as_ref()),
        (Err(error), _) | (_, Err(error)) => Finding::skipped(EVENTS, telemetry::chain(&error)),
    }
}

fn judge(hooks: &Hooks, last: Option<&LastFired>) -> Finding {
    let last = last.map_or_else(
        || "none was fired yet".to_owned(),
        |last| format!("the last one was fired at {} UTC", last.finished_at),
    );
    let (pending, dead) = (counted(hooks.pending), counted(hooks.dead));
    let waited = hooks.oldest_pending.map(|since| Clock.now() - since);
    if hooks.dead > 0 {
        return Finding::warning(
            EVENTS,
            format!("{dead} hooks were given up, {pending} wait; {last}"),
            "\"fcom-sidecar relay status\" tells why; mend the plugin, then \"fcom-sidecar relay retry --all-dead\"",
        );
    }
    if let Some(waited) = waited.filter(|waited| *waited > LONG) {
        return Finding::warning(
            EVENTS,
            format!(
                "{pending} hooks wait, the oldest for {} seconds; {last}",
                waited.num_seconds()
            ),
            "see what check says of the relay, and that WP-Cron runs; \"fcom-sidecar relay status\" shows failures",
        );
    }
    Finding::ok(EVENTS, format!("{pending} hooks wait; {last}"))
}

fn counted(hooks: u64) -> String {
    if hooks < MOST_COUNTED {
        hooks.to_string()
    } else {
        format!("at least {hooks}")
    }
}
