use super::*;
use crate::config::{Config, Sources};

fn server(version: &str) -> DatabaseServer {
    DatabaseServer {
        info: ServerInfo {
            version: version.to_owned(),
            comment: None,
            global_zone: "SYSTEM".to_owned(),
            system_zone: "UTC".to_owned(),
            session_zone: "+03:00".to_owned(),
            sql_mode: SQL_MODE.to_owned(),
            unix_time: 1_800_000_000,
            name: Some("site".to_owned()),
            account: "wp@%".to_owned(),
            account_connections: 0,
            all_connections: 151,
        },
        isolation: "READ-COMMITTED".to_owned(),
        cipher: String::new(),
        remembers_password: false,
        now: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
    }
}

fn is_ok(finding: &Finding) -> bool {
    format!("{finding:?}").contains("status: Ok")
}

#[test]
fn servers_older_than_tested_are_named() {
    for (version, ok) in [
        ("10.11.6-MariaDB-0+deb12u1", true),
        ("5.5.5-10.5.23-MariaDB", true),
        ("5.5.5-10.3.39-MariaDB", false),
        ("5.5.68-MariaDB", false),
        ("9.7.4-2", true),
        ("9.10.0-commercial", true),
        ("8.4.6", false),
        ("8.0.mysql_aurora.3.04.0", false),
        ("5.7.44-log", false),
        ("nonsense", false),
    ] {
        assert_eq!(is_ok(&server(version).version()), ok, "{version}");
    }
}

#[test]
fn a_session_that_is_not_as_set_is_named() {
    let mut other = server("8.0.36");
    assert!(is_ok(&other.session()));
    other.info.sql_mode = "STRICT_ALL_TABLES".to_owned();
    assert!(!is_ok(&other.session()));
    let mut other = server("8.0.36");
    other.isolation = "REPEATABLE-READ".to_owned();
    assert!(!is_ok(&other.session()));
}

#[test]
fn clocks_may_differ_by_five_seconds() {
    for (difference, ok) in [(0, true), (5, true), (-5, true), (6, false), (-60, false)] {
        let mut server = server("8.0.36");
        server.info.unix_time += difference;
        assert_eq!(is_ok(&server.clock()), ok, "{difference}");
    }
}

#[test]
fn another_machine_is_told_from_this_one() {
    for (url, remote) in [
        ("mysql://u@localhost/d", false),
        ("mysql://u@127.0.0.1/d", false),
        ("mysql://u@[::1]/d", false),
        ("mysql://u@db.example/d?socket=/run/s", false),
        ("mysql://u@10.0.0.5/d", true),
        ("mysql://u@db.example/d", true),
    ] {
        let options: MySqlConnectOptions = url.parse().unwrap();
        assert_eq!(remote_host(&options).is_some(), remote, "{url}");
    }
}

#[test]
fn a_limit_of_connections_below_the_pools_is_named() {
    let database = |pooled: u32| Database {
        max_connections: pooled,
        ..Config::load(Sources {
            overrides: vec![("database.url".to_owned(), "mysql://u:p@db/site".to_owned())],
            ..Sources::default()
        })
        .unwrap()
        .database
    };
    for (of_account, of_all, pooled, advised) in [
        (0, 151, 16, None),
        (18, 151, 16, None),
        (17, 151, 16, Some("to 15 or less")),
        (10, 151, 16, Some("to 8 or less")),
        (10, 151, 8, None),
        (1, 151, 16, Some("to 1 or less")),
        (0, 12, 16, Some("to 10 or less")),
        (100, 12, 16, Some("to 10 or less")),
    ] {
        let mut server = server("8.0.36");
        server.info.account_connections = of_account;
        server.info.all_connections = of_all;
        let finding = server.connections(&database(pooled));
        let remedy = finding.remedy.as_deref();
        assert_eq!(remedy.is_some(), advised.is_some(), "{finding:?}");
        assert!(
            remedy
                .unwrap_or_default()
                .contains(advised.unwrap_or_default()),
            "{finding:?}"
        );
    }
}
