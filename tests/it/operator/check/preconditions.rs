//! `fcom-sidecar check`: its results on a healthy site, and on sites that lack something.

use std::collections::BTreeSet;

use fcom_sidecar::sample::server::Family;

use crate::harness::check_report::{check, check_with, migrated, run};
use crate::harness::site::Site;

#[tokio::test]
async fn a_healthy_site_passes_whatever_its_release() {
    for fixture in ["61", "67", "68", "70", "71"] {
        let site = migrated(fixture).await;
        let outcome = check(&site).await;
        outcome.assert_only_failed(&[]);
        assert_eq!(outcome.json()["status"], "warning");
        // The fixtures lack Pro, and no mail server is listening.
        let warnings = ["fluentcommunity-pro", "mail-server"].map(ToOwned::to_owned);
        let warnings = BTreeSet::from(warnings);
        assert_eq!(
            outcome.with_status("warning"),
            warnings,
            "{}",
            outcome.output
        );
        outcome.assert("wordpress-version", "ok", site.wordpress);
        let server = site.text("SELECT VERSION()").await.unwrap();
        let family = match site.server.family() {
            Family::MariaDb => "MariaDB",
            Family::MySql => "MySQL",
        };
        outcome.assert("database", "ok", &format!("{family} {server} ("));
        let place = format!("on this machine, at 127.0.0.1:{}", site.server.port());
        outcome.assert("encryption", "ok", &place);
        outcome.assert("session", "ok", "READ-COMMITTED");
        outcome.assert(
            "server-time-zone",
            "ok",
            "global +03:00, this session +03:00",
        );
        outcome.assert("site-time-zone", "ok", "UTC offset 0");
        outcome.assert("default-role", "ok", "subscriber");
        outcome.assert("fluentcommunity", "ok", "1.0.8");
        outcome.assert("webhooks", "ok", "readable");
        outcome.assert("privileges", "ok", "on 19 tables");
        outcome.assert("object-cache", "skipped", "wordpress.root");
        outcome.assert("web-server", "skipped", "cannot be reached from here");
        outcome.assert("mail-server", "warning", "refused");
        outcome.assert("portal", "ok", "https://community.example.com/portal/?");
    }
}

#[tokio::test]
async fn people_get_a_table_with_a_sum() {
    let site = migrated("71").await;
    let outcome = run(&site, &site.url(), &["check"]).await;
    assert_eq!(outcome.code, Some(0));
    let lines: Vec<&str> = outcome.output.lines().collect();
    assert!(
        lines[0].starts_with("ok       configuration        "),
        "{}",
        lines[0]
    );
    let sum = lines.last().unwrap();
    assert!(
        sum.starts_with("0 failed, 2 warnings, 3 skipped, "),
        "{sum}"
    );
    assert!(
        lines.iter().all(|line| line.chars().count() <= 110),
        "{}",
        outcome.output
    );
}

#[tokio::test]
async fn what_a_site_lacks_is_named_and_only_that() {
    let site = migrated("71").await;
    for (break_it, mend_it, name, found) in [
        (
            "ALTER TABLE wp_usermeta ENGINE = MyISAM",
            "ALTER TABLE wp_usermeta ENGINE = InnoDB",
            "storage-engine",
            "wp_usermeta is MyISAM",
        ),
        (
            "ALTER TABLE wp_usermeta MODIFY meta_value longtext CHARACTER SET latin1",
            "ALTER TABLE wp_usermeta MODIFY meta_value longtext CHARACTER SET utf8mb4",
            "character-set",
            "wp_usermeta.meta_value holds latin1 text",
        ),
        (
            "ALTER TABLE wp_fcom_xprofile RENAME COLUMN short_description TO bio",
            "ALTER TABLE wp_fcom_xprofile RENAME COLUMN bio TO short_description",
            "columns",
            "wp_fcom_xprofile lacks short_description",
        ),
        (
            "ALTER TABLE wp_users ADD COLUMN plugins_own POINT; \
             UPDATE wp_users SET plugins_own = ST_GeomFromText('POINT(1 1)'); \
             ALTER TABLE wp_users MODIFY plugins_own POINT NOT NULL",
            "ALTER TABLE wp_users DROP COLUMN plugins_own",
            "columns",
            "wp_users.plugins_own has no default",
        ),
        (
            "ALTER TABLE wp_fcom_space_user MODIFY id BIGINT UNSIGNED NOT NULL",
            "ALTER TABLE wp_fcom_space_user MODIFY id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT",
            "columns",
            "wp_fcom_space_user.id has lost its AUTO_INCREMENT",
        ),
        (
            "RENAME TABLE wp_fcom_space_user TO hidden",
            "RENAME TABLE hidden TO wp_fcom_space_user",
            "tables",
            "wp_fcom_space_user",
        ),
        (
            "RENAME TABLE wp_fcom_sidecar_schema TO hidden",
            "RENAME TABLE hidden TO wp_fcom_sidecar_schema",
            "own-tables",
            "not there yet",
        ),
        (
            "UPDATE wp_fcom_sidecar_schema SET success = 0 WHERE version = 2",
            "UPDATE wp_fcom_sidecar_schema SET success = 1 WHERE version = 2",
            "own-tables",
            "1 migrations",
        ),
        (
            "UPDATE wp_options SET option_value = 'Mars/Olympus' WHERE option_name = 'timezone_string'",
            "UPDATE wp_options SET option_value = '' WHERE option_name = 'timezone_string'",
            "site-time-zone",
            "\"Mars/Olympus\" is unknown",
        ),
        (
            "CREATE TABLE wp_blogs (a INT)",
            "DROP TABLE wp_blogs",
            "multisite",
            "wp_blogs",
        ),
        (
            "UPDATE wp_options SET option_name = 'x' WHERE option_name = 'fluent_community_db_version'",
            "UPDATE wp_options SET option_name = 'fluent_community_db_version' WHERE option_name = 'x'",
            "fluentcommunity",
            "not installed",
        ),
    ] {
        site.execute(break_it).await;
        let outcome = check(&site).await;
        outcome.assert(name, "failed", found);
        outcome.assert_only_failed(&[name]);
        site.execute(mend_it).await;
    }
    check(&site).await.assert_only_failed(&[]);
}

#[tokio::test]
async fn what_only_slows_calls_down_or_changes_them_is_a_warning() {
    let site = migrated("71").await;
    let plugins = r#"a:3:{i:0;s:37:"fluent-community/fluent-community.php";i:1;s:45:"fluent-community-pro/fluent-community-pro.php";i:2;s:25:"fluent-crm/fluent-crm.php";}"#;
    let features = r#"a:1:{s:12:"has_crm_sync";s:3:"yes";}"#;
    let tagging = r#"a:1:{s:12:"tagging_maps";a:1:{i:4;s:1:"7";}}"#;
    site.execute(&format!(
        "UPDATE wp_options SET option_value = 'administrator' WHERE option_name = 'default_role';
        UPDATE wp_options SET option_value = '{plugins}' WHERE option_name = 'active_plugins';
        INSERT INTO wp_options (option_name, option_value) VALUES ('_fcom_crm_tagging', '{tagging}');
        UPDATE wp_fcom_meta SET value = '{features}' WHERE meta_key = 'fluent_community_features';
        UPDATE wp_fcom_meta SET value = 'broken' WHERE id = 4;
        UPDATE wp_options SET option_value = '58975' WHERE option_name = 'db_version';
        DELETE FROM wp_options WHERE option_name = '_transient_wp_core_block_css_files';
        ALTER TABLE wp_usermeta DROP INDEX user_id;
        ALTER TABLE wp_fcom_xprofile DROP INDEX user_id;
        ALTER TABLE wp_usermeta CONVERT TO CHARACTER SET utf8mb3;
        DROP TABLE wp_actionscheduler_logs;
        INSERT INTO wp_fcom_sidecar_runs (call_id, webhook_id, user_id, outcome, duration_ms, created_at)
        VALUES (REPEAT('a', 16), 3, 1, 'found', 1, UTC_TIMESTAMP() - INTERVAL 1 HOUR)"
    ))
    .await;
    let outcome = check(&site).await;
    outcome.assert_only_failed(&[]);
    for (name, found) in [
        ("default-role", "administrator"),
        ("plugins", "FluentCRM"),
        ("crm-tags", "spaces 4"),
        ("webhooks", "refused: 4"),
        ("wordpress-version", "db_version is 58975"),
        // MariaDB before 10.6 calls `utf8mb3` so.
        ("character-set", "wp_usermeta is utf8"),
        ("optional-tables", "wp_actionscheduler_logs"),
        ("uncounted-runs", "1 runs"),
    ] {
        outcome.assert(name, "warning", found);
    }
    outcome.assert("fluentcommunity-pro", "ok", "active");
    let remedies: Vec<_> = outcome
        .of("indexes")
        .iter()
        .map(|check| check["remedy"].as_str().unwrap().to_owned())
        .collect();
    // MySQL's default refuses the zero dates in the tables.
    let first = match site.server.family() {
        Family::MariaDb => "",
        Family::MySql => "SET SESSION sql_mode = REPLACE(@@sql_mode, 'NO_ZERO_DATE', ''); ",
    };
    let expected = [
        "ALTER TABLE wp_usermeta ADD INDEX user_id (user_id);",
        "ALTER TABLE wp_fcom_xprofile ADD UNIQUE INDEX user_id (user_id);",
    ]
    .map(|statement| format!("{first}{statement}"));
    assert_eq!(remedies, expected);
    for remedy in remedies {
        site.execute(&remedy).await;
    }
    check(&site).await.assert("indexes", "ok", "all");

    let handed_over = check_with(&site, &site.url(), &["--set", "mail.transport=wordpress"]).await;
    handed_over.assert("welcome-mail", "failed", "wp_actionscheduler_logs");
    handed_over.assert_only_failed(&["welcome-mail"]);
}

#[tokio::test]
async fn a_version_that_is_only_in_the_database_is_recognised_or_asked_for() {
    let site = migrated("71").await;
    let without = ["--set", "wordpress.version="];
    let outcome = check_with(&site, &site.url(), &without).await;
    outcome.assert("wordpress-version", "ok", "7.1, from the transient");
    site.execute("DELETE FROM wp_options WHERE option_name = '_transient_wp_core_block_css_files'")
        .await;
    let outcome = check_with(&site, &site.url(), &without).await;
    outcome.assert("wordpress-version", "warning", "7.0 to 7.1");
}

#[tokio::test]
async fn a_structured_course_needs_the_tables_of_its_jobs() {
    let site = migrated("71").await;
    site.execute(
        r#"UPDATE wp_fcom_spaces SET settings = 'a:1:{s:11:"course_type";s:10:"structured";}' WHERE type = 'course'"#,
    )
    .await;
    check(&site).await.assert("courses", "ok", "structured");
    site.execute("DROP TABLE wp_fcom_posts").await;
    let outcome = check(&site).await;
    outcome.assert("courses", "failed", "wp_fcom_posts");
    outcome.assert_only_failed(&["courses"]);
    // The daemon does not write these jobs then.
    let relay = ["--set", "relay.enabled=true"];
    let outcome = check_with(&site, &site.url(), &relay).await;
    outcome.assert("courses", "ok", "Pro makes the e-mail jobs");
}

#[tokio::test]
async fn a_configuration_that_does_not_load_is_a_failed_check() {
    let site = Site::new("71").await;
    let wrong = [
        "--set",
        "server.listen=nonsense",
        "--set",
        "log.format=loud",
    ];
    let outcome = check_with(&site, &site.url(), &wrong).await;
    outcome.assert_only_failed(&["configuration"]);
    let problems = outcome.of("configuration");
    assert_eq!(problems.len(), 2, "{}", outcome.output);
    assert!(
        problems[0]["found"]
            .as_str()
            .unwrap()
            .starts_with("server.listen: ")
    );
    let table = run(&site, &site.url(), &[&["check"], &wrong[..]].concat()).await;
    assert_eq!(table.code, Some(1));
    assert!(
        table
            .output
            .ends_with("2 failed, 0 warnings, 0 skipped, 0 ok\n"),
        "{}",
        table.output
    );
}

#[tokio::test]
async fn checking_changes_nothing() {
    let site = Site::new("71").await;
    let before = site.column("SHOW TABLES").await;
    let sums = "CHECKSUM TABLE wp_users, wp_usermeta, wp_options, wp_fcom_meta, wp_fcom_spaces, wp_fcom_space_user";
    let checksums = site.rows(sums).await;
    let outcome = check(&site).await;
    outcome.assert("own-tables", "failed", "not there yet");
    outcome.assert_only_failed(&["own-tables"]);
    assert_eq!(site.column("SHOW TABLES").await, before);
    assert_eq!(site.rows(sums).await, checksums);
}
