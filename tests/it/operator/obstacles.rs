//! Each obstacle that `serve` knows, one after another: whatever keeps it from starting or from getting ready fails in
//! `check`, with the same remedy.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::agreement::{check, readiness};
use crate::harness::check_report::{PASSWORD, migrated};
use crate::harness::eventually::eventually;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;
use crate::harness::tables::make_network;

/// The same for `check` and `serve`.
type Environment<'a> = &'a [(&'a str, &'a str)];

const URL: &str = "FCOM_SIDECAR__DATABASE__URL";
const LISTEN: &str = "FCOM_SIDECAR__SERVER__LISTEN";
const ADMIN: &str = "FCOM_SIDECAR__SERVER__ADMIN_LISTEN";

/// Asserts that a daemon that starts now is not ready for this reason, with this remedy, and that `check` says the same.
async fn assert_unready(
    site: &Site,
    environment: Environment<'_>,
    what: &str,
    remedy: &str,
) -> Sidecar {
    let sidecar = Sidecar::start_unready_with(site, environment).await;
    sidecar.client.record(&[PASSWORD.to_owned()]);
    let said = eventually(async || {
        let (status, said) = readiness(&sidecar).await;
        let reason = said["reason"].as_str().unwrap_or_default();
        let is_said = status == 503 && reason.contains(what);
        is_said.then(|| said.clone()).ok_or(said)
    })
    .await;
    let told = said["remedy"].as_str().unwrap_or_default();
    assert!(told.contains(remedy), "{said}");
    let outcome = check(&sidecar);
    assert_eq!(outcome.code, Some(1), "{}", outcome.output);
    for name in ["readiness", "daemon"] {
        outcome.assert(name, "failed", what);
        assert_eq!(outcome.of(name)[0]["remedy"], told, "{name}");
    }
    sidecar
}

#[tokio::test]
async fn a_database_that_keeps_serve_from_getting_ready_fails_in_check_with_the_same_remedy() {
    let site = migrated("71").await;
    let tables = "the tables are not what they should be";
    for (breaks, mends, what, remedy) in [
        (
            "ALTER TABLE wp_usermeta ENGINE = MyISAM",
            "ALTER TABLE wp_usermeta ENGINE = InnoDB",
            "wp_usermeta is MyISAM",
            "ALTER TABLE wp_usermeta ENGINE = InnoDB",
        ),
        (
            "RENAME TABLE wp_usermeta TO behind; CREATE VIEW wp_usermeta AS SELECT * FROM behind",
            "DROP VIEW wp_usermeta; RENAME TABLE behind TO wp_usermeta",
            "wp_usermeta is a view",
            "make wp_usermeta an InnoDB table",
        ),
        (
            "ALTER TABLE wp_usermeta MODIFY meta_value longtext CHARACTER SET latin1",
            "ALTER TABLE wp_usermeta MODIFY meta_value longtext CHARACTER SET utf8mb4",
            "wp_usermeta.meta_value holds latin1 text",
            "convert the table to utf8mb4",
        ),
        (
            "CREATE TABLE wp_blogs (a INT); CREATE TABLE wp_sitemeta (a INT)",
            "DROP TABLE wp_blogs, wp_sitemeta",
            "the tables of a network are there (wp_blogs, wp_sitemeta)",
            "set wordpress.blog_id or wordpress.root",
        ),
        (
            "ALTER TABLE wp_fcom_xprofile RENAME COLUMN short_description TO bio",
            "ALTER TABLE wp_fcom_xprofile RENAME COLUMN bio TO short_description",
            "Unknown column 'short_description'",
            tables,
        ),
        (
            "RENAME TABLE wp_fcom_space_user TO hidden",
            "RENAME TABLE hidden TO wp_fcom_space_user",
            "wp_fcom_space_user' doesn't exist",
            tables,
        ),
        // An error that says nothing to the daemon.
        (
            "CREATE TRIGGER refuses BEFORE INSERT ON wp_fcom_sidecar_runs FOR EACH ROW \
             SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'",
            "DROP TRIGGER refuses",
            "calls cannot use wp_fcom_sidecar_runs: error 1644",
            "\"fcom-sidecar check\" tells more",
        ),
    ] {
        site.execute(breaks).await;
        let mut sidecar = assert_unready(&site, &[], what, remedy).await;
        site.execute(mends).await;
        assert!(sidecar.becomes_ready().await, "{what}");
    }
}

#[tokio::test]
async fn an_account_that_keeps_serve_from_getting_ready_fails_in_check_with_the_same_remedy() {
    let site = migrated("71").await;
    let (right, database) = (site.url(), &site.database);
    let account = format!("'obstructed_{database}'@'%'");
    site.execute(&format!(
        "CREATE USER {account} IDENTIFIED BY '{PASSWORD}'; GRANT SELECT, INSERT, UPDATE, DELETE ON `{database}`.* TO {account}"
    ))
    .await;
    let port = site.server.port();
    let limited = format!("mysql://obstructed_{database}:{PASSWORD}@127.0.0.1:{port}/{database}");
    let credentials = "correct user, password and database";
    for (url, what, remedy) in [
        (
            limited.replace(PASSWORD, "another"),
            "Access denied",
            credentials,
        ),
        (
            right.replace(database.as_str(), "no_such_database"),
            "Unknown database",
            credentials,
        ),
    ] {
        assert_unready(&site, &[(URL, &url)], what, remedy).await;
    }

    // What serve could make itself if its account might.
    site.execute("RENAME TABLE wp_fcom_sidecar_mail TO hidden")
        .await;
    let what = "wp_fcom_sidecar_mail is missing";
    let remedy = "run \"fcom-sidecar migrate\"";
    let mut sidecar = assert_unready(&site, &[(URL, &limited)], what, remedy).await;
    site.execute("RENAME TABLE hidden TO wp_fcom_sidecar_mail")
        .await;
    assert!(sidecar.becomes_ready().await);
    drop(sidecar);

    // The privilege that is missing is named beside.
    site.execute(&format!("REVOKE INSERT ON `{database}`.* FROM {account}"))
        .await;
    let sidecar = assert_unready(
        &site,
        &[(URL, &limited)],
        "INSERT command denied",
        "tells what to grant",
    )
    .await;
    check(&sidecar).assert("privileges", "failed", "INSERT on wp_users");
}

#[tokio::test]
async fn a_site_that_is_not_there_keeps_serve_from_getting_ready_and_fails_in_check() {
    let site = migrated("71").await;
    let prefix = ("FCOM_SIDECAR__WORDPRESS__TABLE_PREFIX", "old_");
    assert_unready(
        &site,
        &[prefix],
        "old_users' doesn't exist",
        "the tables are not what they should be",
    )
    .await;
    let network = migrated("71").await;
    make_network(&network).await;
    let blog = ("FCOM_SIDECAR__WORDPRESS__BLOG_ID", "9");
    assert_unready(
        &network,
        &[blog],
        "the network has no site 9",
        "set wordpress.blog_id to the id of one that it has",
    )
    .await;
}

/// Asserts that a start fails with these words and this remedy, and that `check` fails with the same.
async fn assert_no_start(site: &Site, environment: Environment<'_>, what: &str, remedy: &str) {
    let mut sidecar = Sidecar::unstarted(site, environment).await;
    sidecar.spawn();
    let status = sidecar.ends().await;
    let log = sidecar.log();
    assert!(!status.success(), "{what}: {log}");
    assert!(log.contains(what) && log.contains(remedy), "{what}: {log}");
    let outcome = check(&sidecar);
    assert_eq!(outcome.code, Some(1), "{what}: {}", outcome.output);
    let report = outcome.json();
    let says = |check: &&Value, key: &str, words: &str| {
        let text = check[key].as_str().unwrap_or_default();
        text.contains(words)
    };
    let mut checks = report["checks"].as_array().unwrap().iter();
    let told = checks.find(|check| {
        check["status"] == "failed" && says(check, "found", what) && says(check, "remedy", remedy)
    });
    assert!(told.is_some(), "{what}: {}", outcome.output);
}

#[tokio::test]
async fn an_address_that_serve_cannot_have_fails_in_check_with_the_same_remedy() {
    let site = migrated("71").await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let unix = |name: &str| format!("unix:{}", folder.path().join(name).display());
    let _live = UnixListener::bind(folder.path().join("live")).unwrap();
    std::fs::write(folder.path().join("file"), "precious").unwrap();
    for (key, address, remedy) in [
        (LISTEN, taken.clone(), "another process listens there"),
        (ADMIN, taken, "another process listens there"),
        (LISTEN, unix("live"), "another process listens there"),
        (LISTEN, unix("file"), "is a file that is no socket"),
        (ADMIN, unix("none/s"), "create the folder"),
        (
            LISTEN,
            "192.0.2.1:8095".to_owned(),
            "an address of this machine",
        ),
    ] {
        let option = if key == LISTEN {
            "server.listen"
        } else {
            "server.admin_listen"
        };
        let what = format!("cannot listen on {option} = \"{address}\"");
        assert_no_start(&site, &[(key, &address)], &what, remedy).await;
    }
    let precious = std::fs::read_to_string(folder.path().join("file"));
    assert_eq!(precious.unwrap(), "precious");
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 2, "check leaves something behind");
    let everywhere = [(LISTEN, "0.0.0.0:8095"), (ADMIN, "127.0.0.1:8095")];
    let what = "server.admin_listen: is also an address of server.listen";
    assert_no_start(&site, &everywhere, what, "a place of its own").await;
}

#[tokio::test]
async fn an_address_that_serve_can_have_is_told_and_left_alone() {
    let site = migrated("71").await;
    let folder = tempfile::tempdir().unwrap();
    let left_behind = folder.path().join("s");
    drop(UnixListener::bind(&left_behind).unwrap());
    let address = format!("unix:{}", left_behind.display());
    let mut sidecar = Sidecar::unstarted(&site, &[(LISTEN, &address)]).await;
    let outcome = check(&sidecar);
    outcome.assert("listen", "ok", "server.listen and server.admin_listen");
    assert!(left_behind.exists());
    sidecar.spawn();
    assert!(sidecar.becomes_ready().await, "{}", sidecar.log());
    check(&sidecar).assert("listen", "ok", "the daemon");
    // A folder that the service manager makes when it starts the daemon.
    let address = "unix:/run/fcom-sidecar-not-there/calls.sock";
    let sidecar = Sidecar::unstarted(&site, &[(LISTEN, address)]).await;
    let outcome = check(&sidecar);
    outcome.assert(
        "listen",
        "warning",
        "this user cannot listen on server.listen",
    );
    outcome.assert_only_failed(&[]);
}

#[tokio::test]
async fn what_serve_cannot_start_with_fails_in_check_with_the_same_remedy() {
    let site = migrated("71").await;
    for (key, value, what, remedy) in [
        (
            "LOG__FILTER",
            "fcom_sidecar=very=loud",
            "log.filter: ",
            "\"fcom_sidecar=debug\"",
        ),
        (
            "WORDPRESS__VERSION",
            "newest",
            "wordpress.version: ",
            "write it like \"7.1\"",
        ),
        (
            "WORDPRESS__TABLE_PREFIX",
            "wp-",
            "\"wp-\" is not a table name",
            "write ASCII letters",
        ),
        (
            "WORDPRESS__ROOT",
            "/nowhere",
            "wordpress.root: ",
            "let wordpress.root name",
        ),
        (
            "SMTP__CA_FILE",
            "/nowhere",
            "smtp.ca_file /nowhere cannot be read",
            "mend the file",
        ),
        (
            "MAIL__TEMPLATES",
            "/nowhere",
            "mail.templates: /nowhere",
            "mend the file",
        ),
        ("MAIL__FROM", "nobody", "mail.from: ", "write it like"),
        (
            "ADMIN__TOKEN_FILE",
            "/nowhere",
            "admin.token_file: ",
            "that the daemon's user can read",
        ),
    ] {
        let key = format!("FCOM_SIDECAR__{key}");
        assert_no_start(&site, &[(&key, value)], what, remedy).await;
    }
}

/// Two sites of one machine with the same addresses: the daemon that answers is not the one that this configuration means.
#[tokio::test]
async fn a_daemon_of_another_site_is_not_taken_for_this_ones() {
    let (first, second) = (migrated("71").await, migrated("71").await);
    let running = Sidecar::start(&first).await;
    check(&running).assert("daemon", "ok", "executes calls");
    let addresses = [running.client.public, running.client.admin].map(|a| a.to_string());
    let environment = [
        (LISTEN, addresses[0].as_str()),
        (ADMIN, addresses[1].as_str()),
    ];
    let mut other = Sidecar::unstarted(&second, &environment).await;
    let outcome = check(&other);
    outcome.assert("daemon", "failed", "works on other tables");
    outcome.assert_only_failed(&["daemon"]);
    other.spawn();
    assert_eq!(other.ends().await.code(), Some(1), "{}", other.log());
}

/// Older releases do not say in `/readyz` which tables they work on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_of_an_older_release_is_not_taken_for_another_sites() {
    let site = migrated("71").await;
    let older = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = older.local_addr().unwrap().to_string();
    let answers = tokio::spawn(async move {
        loop {
            let (mut stream, _) = older.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let ready = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 18\r\n\
                         Connection: close\r\n\r\n{\"status\":\"ready\"}";
            let _ = stream.write_all(ready.as_bytes()).await;
        }
    });
    let sidecar = Sidecar::unstarted(&site, &[(ADMIN, &admin)]).await;
    let outcome = check(&sidecar);
    outcome.assert("daemon", "warning", "older release");
    outcome.assert_only_failed(&[]);
    answers.abort();
}
