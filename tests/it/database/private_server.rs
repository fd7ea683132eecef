//! The private server for the demo and these tests.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use fcom_sidecar::sample::server::{Options, PrivateServer, ServerError};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};

use crate::harness::eventually::until;
use crate::harness::site::{Site, server_options};

/// Set for a second run of this binary, which starts a server and waits to be killed.
const OWNER: &str = "FCOM_SIDECAR_TEST_OWNS_A_SERVER";

#[tokio::test]
async fn a_killed_server_comes_back_on_its_port_with_its_rows() {
    let server = Arc::new(PrivateServer::start(server_options()).await.unwrap());
    let site = Site::on(server.clone(), "71").await;
    let port = server.port();
    site.execute("UPDATE wp_options SET option_value = 'kept' WHERE option_name = 'blogname'")
        .await;
    server.kill();
    let options: MySqlConnectOptions = site.url().parse().unwrap();
    assert!(options.connect().await.is_err());
    server.restart().await.unwrap();
    assert_eq!(server.port(), port);
    let mut connection = options.timezone(None).connect().await.unwrap();
    let sql = "SELECT option_value, @@time_zone FROM wp_options WHERE option_name = 'blogname'";
    let row = sqlx::query(sql).fetch_one(&mut connection).await.unwrap();
    let (name, zone): (String, String) = (row.get(0), row.get(1));
    assert_eq!((name.as_str(), zone.as_str()), ("kept", "+03:00"));
    connection.close().await.unwrap();
}

#[tokio::test]
async fn two_servers_live_side_by_side_and_take_their_folders_with_them() {
    let (one, two) = tokio::join!(
        PrivateServer::start(server_options()),
        PrivateServer::start(server_options())
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.port(), two.port());
    assert_ne!(one.password(), two.password());
    let folder = one.socket().parent().unwrap().to_owned();
    assert!(folder.exists());
    drop(one);
    assert!(!folder.exists());
    two.create_database("alive").await.unwrap();
}

#[tokio::test]
async fn root_needs_the_socket_and_the_account_its_password() {
    let server = PrivateServer::start(server_options()).await.unwrap();
    let url = server.url("mysql");
    let right: MySqlConnectOptions = url.parse().unwrap();
    right.connect().await.unwrap().close().await.unwrap();
    for wrong in [
        url.replace(server.password(), "wrong"),
        format!("mysql://root@127.0.0.1:{}/mysql", server.port()),
    ] {
        let options: MySqlConnectOptions = wrong.parse().unwrap();
        let error = options.connect().await.unwrap_err().to_string();
        assert!(error.contains("Access denied"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_quotes_its_log() {
    let options = Options {
        arguments: vec!["--no-such-option=1".to_owned()],
        ..server_options()
    };
    let error = PrivateServer::start(options).await.unwrap_err();
    assert!(matches!(error, ServerError::Start(_)), "{error}");
    assert!(error.to_string().contains("no-such-option"), "{error}");
}

#[tokio::test]
async fn a_dump_that_fails_says_what_was_being_done() {
    let site = Site::new("71").await;
    let error = site
        .server
        .load_sql(&site.database, "SELECT 1; NONSENSE")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not load the SQL on the private server"
    );
}

/// Not a test of its own: it acts only in the process that the next test starts.
#[tokio::test]
async fn owner_of_a_server_that_waits_to_be_killed() {
    let Some(report) = std::env::var_os(OWNER) else {
        return;
    };
    let server = PrivateServer::start(server_options()).await.unwrap();
    let text = format!("{}\n{}", server.port(), server.socket().display());
    let draft = Path::new(&report).with_extension("draft");
    std::fs::write(&draft, text).unwrap();
    std::fs::rename(draft, report).unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_server_does_not_outlive_an_owner_that_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let (_crate, module) = module_path!().split_once("::").unwrap();
    let owner = format!("{module}::owner_of_a_server_that_waits_to_be_killed");
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &owner])
        .env(OWNER, &report)
        .arg("--nocapture")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until("the owner does not report its server", async || {
        assert_eq!(owner.try_wait().unwrap(), None, "the owner ends");
        report.exists()
    })
    .await;
    let report = std::fs::read_to_string(&report).unwrap();
    let (port, socket) = report.split_once('\n').unwrap();
    let address = format!("127.0.0.1:{port}");
    assert!(std::net::TcpStream::connect(&address).is_ok());
    owner.kill().unwrap();
    owner.wait().unwrap();
    let home = Path::new(socket).parent().unwrap();
    until("the server does not end", async || {
        std::net::TcpStream::connect(&address).is_err()
    })
    .await;
    until("the folder does not go", async || !home.exists()).await;
}
