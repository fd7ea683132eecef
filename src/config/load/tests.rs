//! Tests layers and secrets through the public interface.

mod relay;
mod site;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::config::{Listen, LogFormat, PasswordHash, Target, Transport};

const URL: (&str, &str) = ("database.url", "mysql://u:hunter2@db.example/site");

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    owned.collect()
}

fn load(
    file: Option<&str>,
    environment: &[(&str, &str)],
    overrides: &[(&str, &str)],
) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    let file = file.map(|text| {
        fs::write(&path, text).unwrap();
        path
    });
    Config::load(Sources {
        file,
        environment: pairs(environment),
        overrides: pairs(overrides),
    })
}

fn problems(file: &str, environment: &[(&str, &str)], overrides: &[(&str, &str)]) -> Vec<Problem> {
    load(Some(file), environment, overrides)
        .unwrap_err()
        .problems
}

/// The only problem that these overrides cause, next to a valid database.
fn problem(overrides: &[(&str, &str)]) -> Problem {
    let mut problems = problems("", &[], &[&[URL], overrides].concat());
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn the_defaults_are_complete_and_as_documented() {
    let config = load(None, &[], &[URL]).unwrap();
    let tcp = |text: &str| Listen::Tcp(text.parse::<SocketAddr>().unwrap());
    assert_eq!(config.server.listen, tcp("127.0.0.1:8095"));
    assert_eq!(config.server.admin_listen, tcp("127.0.0.1:9095"));
    assert_eq!(config.server.socket_mode, 0o660);
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.server.shutdown, Duration::from_secs(30));
    assert_eq!(config.wordpress.table_prefix, "wp_");
    assert_eq!(config.wordpress.version, None);
    assert_eq!(config.wordpress.password_hash, PasswordHash::Phpass);
    assert_eq!(config.wordpress.bcrypt_cost, 10);
    assert_eq!(config.database.max_connections, 16);
    assert_eq!(config.database.acquire_timeout, Duration::from_secs(5));
    assert_eq!(config.database.lock_wait_timeout, Duration::from_secs(5));
    assert!(config.smtp.url.is_none());
    assert_eq!(config.mail.transport, Transport::Smtp);
    assert_eq!(config.limits.max_body_bytes, 1_048_576);
    assert_eq!(config.limits.max_body_bytes_in_flight, 32 << 20);
    assert_eq!(config.limits.max_fields, 1000);
    assert_eq!(config.limits.max_calls_in_flight, 256);
    assert_eq!(config.limits.max_connections, 16384);
    assert!(config.limits.hash_threads >= 1);
    assert_eq!(config.limits.calls_per_second_per_client, None);
    assert_eq!(config.limits.calls_per_second_per_webhook, None);
    assert_eq!(
        config.limits.unknown_keys_per_minute_per_client,
        NonZeroU32::new(30)
    );
    assert_eq!(config.runs.retention_days, 90);
    assert_eq!(config.log.format, LogFormat::Human);
    assert_eq!(config.log.filter, "info,actix_server=warn,actix_http=off");
}

#[test]
fn the_default_file_shows_every_option_and_no_other() {
    let mut section = "";
    let mut shown = Vec::new();
    for line in DEFAULTS.lines() {
        let line = line.trim_start_matches("# ");
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, _)) = line.split_once(" = ") {
            shown.push(format!("{section}.{key}"));
        }
    }
    shown.sort();
    let protection = protection::TABLES.options.iter();
    let protection = protection.map(|option| format!("protection.shop.{option}"));
    let source = source::TABLES.options.iter();
    let source = source.map(|option| format!("source.shop.{option}"));
    let known = all().map(str::to_owned).chain(protection).chain(source);
    let mut known: Vec<_> = known.collect();
    known.sort_unstable();
    assert_eq!(shown, known);
}

#[test]
fn each_layer_wins_over_the_one_before() {
    let file = "[limits]\nmax_fields = 1\nmax_connections = 1\nmax_body_bytes = 1\n";
    let environment = [
        ("FCOM_SIDECAR__LIMITS__MAX_FIELDS", "2"),
        ("FCOM_SIDECAR__LIMITS__MAX_CONNECTIONS", "2"),
        ("PATH", "/bin"),
        ("FCOM_SIDECAR_CONFIG", "x"),
    ];
    let config = load(Some(file), &environment, &[URL, ("limits.max_fields", "3")]).unwrap();
    assert_eq!(config.limits.max_body_bytes, 1);
    assert_eq!(config.limits.max_connections, 2);
    assert_eq!(config.limits.max_fields, 3);
}

#[test]
fn variables_take_the_type_of_their_option() {
    let environment = [
        (
            "FCOM_SIDECAR__SERVER__TRUSTED_PROXIES",
            "10.0.0.0/8, 192.0.2.7",
        ),
        ("FCOM_SIDECAR__LIMITS__CALLS_PER_SECOND_PER_CLIENT", "5"),
        ("FCOM_SIDECAR__SERVER__LISTEN", "unix:/run/s.sock"),
        ("FCOM_SIDECAR__WORDPRESS__TABLE_PREFIX", "007"),
        ("FCOM_SIDECAR__WORDPRESS__VERSION", "7.10"),
        ("FCOM_SIDECAR__SMTP__URL", ""),
        ("FCOM_SIDECAR__DATABASE__URL", URL.1),
    ];
    let config = load(None, &environment, &[]).unwrap();
    assert_eq!(
        config.server.trusted_proxies[1],
        "192.0.2.7/32".parse().unwrap()
    );
    assert_eq!(
        config.limits.calls_per_second_per_client,
        NonZeroU32::new(5)
    );
    assert_eq!(config.server.listen, Listen::Unix("/run/s.sock".into()));
    assert_eq!(config.wordpress.table_prefix, "007");
    assert_eq!(config.wordpress.version.as_deref(), Some("7.10"));
    assert_eq!(
        config.wordpress.version_source.as_deref(),
        Some("wordpress.version")
    );
    assert!(config.smtp.url.is_none());
    let none = load(
        None,
        &[("FCOM_SIDECAR__SERVER__TRUSTED_PROXIES", "")],
        &[URL],
    )
    .unwrap();
    assert_eq!(none.server.trusted_proxies, []);
}

#[test]
fn unknown_names_are_problems_in_every_layer() {
    let file = "[sever]\nlisten = 1\n[server]\nlistn = 1\n[other]\n[log.filter]\nx = 1\n[runs]\n";
    let environment = [
        ("FCOM_SIDECAR__LOG__FORMATS", "json"),
        ("FCOM_SIDECAR__MAIL", "off"),
        ("FCOM_SIDECAR____", "x"),
        ("FCOM_SIDECAR_LOG_FORMAT", "json"),
    ];
    let found = problems(file, &environment, &[URL, ("smtp.ulr", "x")]);
    let find = |key: &str| found.iter().find(|problem| problem.key == key).unwrap();
    assert_eq!(found.len(), 9, "{found:#?}");
    for (key, remedy) in [
        ("sever.listen", "did you mean server.listen"),
        (
            "server.listn",
            "did you mean server.listen (FCOM_SIDECAR__SERVER__LISTEN)?",
        ),
        ("other", "remove it"),
        ("log.filter.x", "did you mean log.filter"),
        ("log.formats", "did you mean log.format"),
        ("mail", "set the options in it, such as mail.transport"),
        (".", "remove it"),
        (
            "FCOM_SIDECAR_LOG_FORMAT",
            "write FCOM_SIDECAR__LOG__FORMAT,",
        ),
        ("smtp.ulr", "did you mean smtp.url"),
    ] {
        assert!(find(key).remedy.contains(remedy), "{:?}", find(key));
    }
    assert!(find("server.listn").what.contains("config.toml"));
    assert!(
        find("log.formats")
            .what
            .contains("(from FCOM_SIDECAR__LOG__FORMATS)")
    );
}

#[test]
fn a_value_in_place_of_a_section_is_a_problem_of_its_own() {
    let found = problems("server = \"127.0.0.1:80\"\nlog = []", &[], &[URL]);
    let keys: Vec<_> = found.iter().map(|problem| problem.key.as_str()).collect();
    assert_eq!(keys, ["log", "server"]);
}

#[test]
fn all_bad_values_are_reported_at_once() {
    let file = "
[server]
listen = \"localhost:8095\"
socket_mode = 660
trusted_proxies = [\"10.0.0.0/99\", \"::1\", \"x\"]
[wordpress]
version = 7.10
password_hash = \"md5\"
bcrypt_cost = 9
[limits]
max_fields = -1
max_body_bytes = 1.5
[log]
filter = \"\"
";
    let found = problems(
        file,
        &[("FCOM_SIDECAR__RUNS__RETENTION_DAYS", "many")],
        &[URL],
    );
    let shown = ConfigError { problems: found }.to_string();
    for (key, what, remedy) in [
        (
            "server.listen",
            "\"localhost:8095\" does not start",
            "\"127.0.0.1:8095\"",
        ),
        ("server.socket_mode", "660 is not a text", "quotes"),
        (
            "server.trusted_proxies",
            "\"10.0.0.0/99\" is neither",
            "10.0.0.0/8",
        ),
        ("server.trusted_proxies", "\"x\" is neither", "10.0.0.0/8"),
        ("wordpress.version", "7.1 is not a text", "quotes"),
        (
            "wordpress.password_hash",
            "\"md5\" is not a known choice",
            "\"phpass\", \"wordpress\"",
        ),
        ("wordpress.bcrypt_cost", "9 is not", "from 10 to 16"),
        ("limits.max_fields", "-1 is not", "from 1 to 1000000"),
        ("limits.max_body_bytes", "1.5 is not", "whole number"),
        ("log.filter", "\"\" is empty", "give it a value"),
        ("runs.retention_days", "\"many\" is not", "from 1 to 36500"),
    ] {
        assert!(
            shown.contains(&format!("  {key}: {what}")),
            "{key} {what}\n{shown}"
        );
        assert!(shown.contains(remedy), "{remedy}\n{shown}");
    }
    assert!(
        shown.starts_with("the configuration has 11 problems:\n"),
        "{shown}"
    );
    assert!(shown.contains("(from FCOM_SIDECAR__RUNS__RETENTION_DAYS)"));
}

#[test]
fn both_listeners_need_places_of_their_own() {
    let same = [
        ("server.listen", "127.0.0.1:80"),
        ("server.admin_listen", "127.0.0.1:80"),
    ];
    assert_eq!(problem(&same).key, "server.admin_listen");
    let any = [
        URL,
        ("server.listen", "127.0.0.1:0"),
        ("server.admin_listen", "127.0.0.1:0"),
    ];
    assert!(load(None, &[], &any).is_ok());
}

#[test]
fn a_missing_or_broken_file_is_named_without_quoting_it() {
    let found = Config::load(Sources {
        file: Some("/missing/config.toml".into()),
        overrides: pairs(&[URL]),
        ..Sources::default()
    });
    let problem = found.unwrap_err().problems.remove(0);
    assert_eq!(problem.key, "/missing/config.toml");
    assert!(
        problem.what.contains("cannot be read: No such file"),
        "{problem}"
    );

    for (text, what) in [
        (
            "\n[database]\nurl = mysql://u:hunter2@h/d",
            "line 3, column 7",
        ),
        ("[database]\nurl = \"mysql://u:hunter2@h/d", "line 2"),
        ("[log]\nformat = \"json\"\nformat = \"hunter2\"", "line 3"),
        (
            "[limits]\nmax_fields = 99999999999999999999",
            "not valid TOML",
        ),
    ] {
        let found = problems(text, &[], &[URL]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].key.ends_with("config.toml"));
        assert!(found[0].what.contains(what), "{}", found[0]);
        assert!(!found[0].to_string().contains("hunter2"), "{}", found[0]);
    }
}

#[test]
fn secrets_may_come_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    let name = path.display().to_string();
    for (content, secret) in [
        ("mysql://u:w@h/d\n", Some("mysql://u:w@h/d")),
        ("mysql://u:w@h/d\r\n", Some("mysql://u:w@h/d")),
        ("mysql://u:w@h/d", Some("mysql://u:w@h/d")),
        ("\n", None),
    ] {
        fs::write(&path, content).unwrap();
        let config = load(None, &[], &[("database.url_file", &name)]);
        match (config.map(|config| config.database.target), secret) {
            (Ok(Target::Url(url)), Some(secret)) => assert_eq!(url.expose_secret(), secret),
            (Err(error), None) => assert!(error.to_string().contains("is empty"), "{error}"),
            (other, _) => panic!("{content:?}: {other:?}"),
        }
    }
    let both = problem(&[("database.url_file", &name)]);
    assert_eq!(
        (both.key.as_str(), both.remedy.as_str()),
        ("database.url", "keep one of the two")
    );
    let missing = problem(&[("smtp.url_file", "/missing/url")]);
    assert_eq!(missing.key, "smtp.url_file");
    assert!(missing.what.contains("\"/missing/url\" cannot be read"));
}

#[test]
fn no_text_of_ours_reveals_a_secret() {
    let overrides = [URL, ("smtp.url", "smtp://u:hunter2@mail.example")];
    let config = load(None, &[], &overrides).unwrap();
    assert!(!format!("{config:?}{config:#?}").contains("hunter2"));
    for url in [
        "hunter2",
        "mysql://u:hunter2#@h/d",
        "ftp://u:hunter2@h/d",
        "mysql://u:hunter2@h",
    ] {
        let error = load(None, &[], &[("database.url", url), ("smtp.url", url)]).unwrap_err();
        assert_eq!(error.problems.len(), 2, "{error}");
        assert!(error.to_string().contains("percent-encoded"), "{error}");
        assert!(!format!("{error}{error:?}").contains("hunter2"), "{error}");
    }
    let error = load(
        Some("[smtp]\nurl = 4711\n[database]\nurl = [4711]"),
        &[],
        &[],
    )
    .unwrap_err();
    assert!(!error.to_string().contains("4711"), "{error}");
}

/// A retry is recorded as a run, by which it is known that it was executed.
#[test]
fn fields_of_refused_calls_are_kept_no_longer_than_what_tells_of_them() {
    for (days, what) in [
        (
            "refused.retention_days",
            "is longer than refused.retention_days",
        ),
        ("runs.retention_days", "is longer than runs.retention_days"),
    ] {
        let kept = |days_kept| {
            [
                ("refused.keep_fields_hours", "49"),
                ("refused.key_file", "/var/lib/key"),
                (days, days_kept),
            ]
        };
        let problem = problem(&kept("2"));
        assert_eq!(problem.key, "refused.keep_fields_hours");
        assert!(problem.what.contains(what), "{}", problem.what);
        assert!(load(None, &[], &[&[URL], &kept("3")[..]].concat()).is_ok());
    }
}

/// PHP would refuse, or misread, all of their calls.
#[test]
fn no_source_is_shadowed() {
    let problem = problem(&[
        ("shadow.enabled", "true"),
        ("shadow.php", "http://127.0.0.1:8080"),
        ("source.shop.webhook_id", "3"),
        ("source.shop.body", "json"),
    ]);
    assert!(problem.what.contains("have a source"), "{}", problem.what);
}
