//! Notices that the site has moved: that WordPress's own files name another database or other tables than those that
//! the process works on. Calls would go on into the old ones, and the live site would get nothing.

use std::time::Duration;

use crate::app;
use crate::config::{Config, Sources};
use crate::site::{Cause, Readiness, Reason};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);
/// Until the second look at a change: a file may be half written.
const AGAIN: Duration = Duration::from_secs(1);

/// Set by a service manager that learns how the process is and starts it again when it ends.
const SUPERVISED: &str = "NOTIFY_SOCKET";

/// Looks at the configuration that a start would have now. Returns once the site has moved and a service manager will
/// start the process again; without one, calls are refused until somebody does.
pub async fn until_moved(readiness: &Readiness, sources: Sources, config: Config) {
    let is_supervised = sources
        .environment
        .iter()
        .any(|(name, value)| name == SUPERVISED && !value.is_empty());
    loop {
        tokio::time::sleep(LOOK).await;
        let moved = moved(&sources, &config).await;
        if moved.is_empty() {
            readiness.clear(Cause::Moved);
            continue;
        }
        tokio::time::sleep(AGAIN).await;
        if self::moved(&sources, &config).await != moved {
            continue;
        }
        let what = format!(
            "WordPress's configuration now has another {}, and this process still works with the previous one",
            moved.join(", another ")
        );
        let reason = if is_supervised {
            Reason::passing(format!(
                "{what}; it ends, to be started again with the new one"
            ))
        } else {
            Reason::needs_operator(what, "restart the sidecar")
        };
        readiness.obstruct(Cause::Moved, reason);
        if is_supervised {
            return;
        }
    }
}

/// What differs, in words; nothing while the configuration cannot be read, and nothing that the operator's own options
/// say: those take effect when the operator restarts.
async fn moved(sources: &Sources, config: &Config) -> Vec<&'static str> {
    let sources = sources.clone();
    let loaded = tokio::task::spawn_blocking(move || app::load(sources)).await;
    match loaded {
        Ok(Ok(new)) => new.moved_since(config),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const BEFORE: &str = "<?php define('DB_NAME', 'a'); define('DB_USER', 'a'); define('DB_PASSWORD', 'a'); \
        define('DB_HOST', 'a'); $table_prefix = 'wp_'; require_once ABSPATH . 'wp-settings.php';";

    fn load(text: &str, options: &[(&str, &str)]) -> Config {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("wp-includes")).unwrap();
        let version = "<?php $wp_version = '6.8';";
        fs::write(folder.path().join("wp-includes/version.php"), version).unwrap();
        fs::write(folder.path().join("wp-config.php"), text).unwrap();
        let root = folder.path().display().to_string();
        let root = [("wordpress.root", root.as_str()), ("mail.transport", "off")];
        let options = root.iter().chain(options);
        let overrides = options.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut config = Config::load(Sources {
            overrides: overrides.collect(),
            ..Sources::default()
        })
        .unwrap();
        // Each test has a folder of its own.
        let before = Config::load(Sources {
            overrides: vec![("database.url".to_owned(), "mysql://a@a/a".to_owned())],
            ..Sources::default()
        });
        config.keep_given(&before.unwrap(), |key| key == "wordpress.root");
        config
    }

    #[test]
    fn what_concerns_the_daemon_is_told_from_what_does_not() {
        let before = load(BEFORE, &[]);
        for (from, to, moved) in [
            (
                "'DB_NAME', 'a'",
                "'DB_NAME', 'b'",
                &["database or account for it"][..],
            ),
            (
                "'DB_USER', 'a'",
                "'DB_USER', 'b'",
                &["database or account for it"],
            ),
            (
                "'DB_PASSWORD', 'a'",
                "'DB_PASSWORD', 'b'",
                &["database or account for it"],
            ),
            (
                "'DB_HOST', 'a'",
                "'DB_HOST', 'b'",
                &["database or account for it"],
            ),
            ("'wp_'", "'b_'", &["table prefix"]),
            (
                "require_once",
                "define('CUSTOM_USER_TABLE', 'u'); define('CUSTOM_USER_META_TABLE', 'm'); require_once",
                &["users table", "usermeta table"],
            ),
            (
                "require_once",
                "define('WP_DEBUG', true); require_once",
                &[],
            ),
        ] {
            let now = load(&BEFORE.replace(from, to), &[]);
            assert_eq!(now.moved_since(&before), moved, "{to}");
        }
        // The operator's own options wait for the operator's restart.
        let other = [("wordpress.table_prefix", "b_")];
        let now = load(BEFORE, &other);
        assert_eq!(now.moved_since(&before), [""; 0]);
    }
}
