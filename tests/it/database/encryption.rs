//! Which connections to the database are encrypted, as the server counts them.

use std::fs;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fcom_sidecar::sample::server::{Family, PrivateServer};
use rcgen::{CertificateParams, KeyPair, PublicKeyData, SigningKey};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use crate::harness::check_report::{PASSWORD, check_with, migrate};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site, server_options};

const URL: &str = "FCOM_SIDECAR__DATABASE__URL";

/// A site on a server of its own that offers TLS.
async fn offering_tls() -> (Site, TempDir) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap().pem();
    let (site, folder) = offering(&certificate, &key).await;
    migrate(&site).await;
    (site, folder)
}

async fn offering(certificate: &str, key: &KeyPair) -> (Site, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut options = server_options();
    for (name, text) in [("cert", certificate), ("key", &key.serialize_pem())] {
        let file = folder.path().join(name);
        fs::write(&file, text).unwrap();
        options
            .arguments
            .push(format!("--ssl-{name}={}", file.display()));
    }
    let server = Arc::new(PrivateServer::start(options).await.unwrap());
    let site = Site::on(server, "71").await;
    (site, folder)
}

/// A certificate of X.509 version 1, as `openssl x509 -req` without extensions makes them.
fn of_version_1(key: &KeyPair) -> String {
    let der = |tag: u8, parts: &[&[u8]]| {
        let inside = parts.concat();
        let length = match u16::try_from(inside.len()).unwrap().to_be_bytes() {
            [0, low] if low < 0x80 => vec![low],
            [0, low] => vec![0x81, low],
            [high, low] => vec![0x82, high, low],
        };
        [&[tag], &length[..], &inside[..]].concat()
    };
    let list = |parts: &[&[u8]]| der(0x30, parts);
    // ECDSA with SHA-256, and the attribute commonName.
    let algorithm = list(&[&[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2]]);
    let common_name = list(&[&[6, 3, 0x55, 4, 3], &der(0x0c, &[b"localhost"])]);
    let name = list(&[&der(0x31, &[&common_name])]);
    let validity = list(&[
        &der(0x17, &[b"200101000000Z"]),
        &der(0x17, &[b"491231235959Z"]),
    ]);
    let certified = list(&[
        &[2, 1, 1],
        &algorithm,
        &name,
        &validity,
        &name,
        &key.subject_public_key_info(),
    ]);
    let signature = der(3, &[&[0], &key.sign(&certified).unwrap()]);
    let certificate = list(&[&certified, &algorithm, &signature]);
    let text = STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// Adds an account for TCP and for the socket, and returns its URLs.
async fn account(site: &Site, name: &str, requirement: &str) -> [String; 2] {
    let database = &site.database;
    for host in ["%", "localhost"] {
        site.execute(&format!(
            "CREATE USER '{name}'@'{host}' IDENTIFIED BY '{PASSWORD}' {requirement}; \
             GRANT ALL ON `{database}`.* TO '{name}'@'{host}'"
        ))
        .await;
    }
    let (port, socket) = (site.server.port(), site.server.socket());
    let tcp = format!("mysql://{name}:{PASSWORD}@127.0.0.1:{port}/{database}");
    // MySQL lets an account in without TLS once it has logged in with it; there are two, one for the socket.
    let with_tls: MySqlConnectOptions = format!("{tcp}?ssl-mode=REQUIRED").parse().unwrap();
    for options in [with_tls.clone(), with_tls.socket(&socket)] {
        let _ = options.connect().await.unwrap().close().await;
    }
    [
        tcp,
        format!(
            "mysql://{name}:{PASSWORD}@localhost/{database}?socket={}",
            socket.display()
        ),
    ]
}

/// How many connections have been encrypted so far.
async fn encrypted(site: &Site) -> u64 {
    let rows = site.rows("SHOW GLOBAL STATUS LIKE 'Ssl_accepts'").await;
    rows[0][1].as_deref().unwrap().parse().unwrap()
}

async fn open_connections(site: &Site, name: &str) -> u64 {
    let sql = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE user = '{name}'");
    site.number(&sql).await
}

/// The daemon with this URL, after calls that have opened several connections.
async fn busy(site: &Site, url: &str) -> Sidecar {
    let sidecar = Sidecar::start_with(site, &[(URL, url)]).await;
    sidecar.client.record(&[PASSWORD.to_owned()]);
    call_at_once(&sidecar, "first").await;
    sidecar
}

async fn call_at_once(sidecar: &Sidecar, name: &str) {
    let calls = (0..12).map(|number| {
        let (client, email) = (&sidecar.client, format!("{name}{number}@example.com"));
        async move { client.execute(PLAIN_HOOK, &[("email", &email)]).await }
    });
    futures_util::future::join_all(calls).await;
}

async fn end_connections(site: &Site, name: &str) {
    let ids = format!(
        "SELECT CAST(id AS CHAR) FROM information_schema.processlist WHERE user = '{name}'"
    );
    for id in site.column(&ids).await {
        // It may have ended by itself.
        let kill = sqlx::raw_sql(sqlx::AssertSqlSafe(format!("KILL {id}")));
        let _ = kill
            .execute(&mut *site.pool().acquire().await.unwrap())
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_this_machine_nothing_is_encrypted_that_need_not_be() {
    let (site, _folder) = offering_tls().await;
    let [tcp, socket] = account(&site, "anybody", "").await;
    let before = encrypted(&site).await;
    let sidecar = busy(&site, &socket).await;
    assert!(open_connections(&site, "anybody").await > 2);
    assert_eq!(encrypted(&site).await, before, "on the socket");
    drop(sidecar);
    let outcome = check_with(&site, &socket, &[]).await;
    let place = site.server.socket().display().to_string();
    outcome.assert(
        "encryption",
        "ok",
        &format!("none needed: the server is on this machine, at {place}"),
    );

    let sidecar = busy(&site, &tcp).await;
    // By now the daemon knows that it is on the server's machine.
    let before = encrypted(&site).await;
    end_connections(&site, "anybody").await;
    call_at_once(&sidecar, "later").await;
    assert!(open_connections(&site, "anybody").await > 2);
    assert_eq!(encrypted(&site).await, before, "at a loopback address");
    let outcome = check_with(&site, &tcp, &[]).await;
    outcome.assert(
        "encryption",
        "ok",
        "none needed: the server is on this machine, at 127.0.0.1:",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_requires_tls_gets_it_on_this_machine_too() {
    let (site, _folder) = offering_tls().await;
    for url in account(&site, "strict", "REQUIRE SSL").await {
        let before = encrypted(&site).await;
        let _sidecar = busy(&site, &url).await;
        assert!(encrypted(&site).await > before, "{url}");
        let outcome = check_with(&site, &url, &[]).await;
        outcome.assert("encryption", "ok", "TLS with ");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_who_asks_for_tls_gets_it_on_this_machine_too() {
    let (site, _folder) = offering_tls().await;
    for url in account(&site, "anybody", "").await {
        for mode in ["PREFERRED", "REQUIRED"] {
            let join = if url.contains('?') { '&' } else { '?' };
            let outcome = check_with(&site, &format!("{url}{join}ssl-mode={mode}"), &[]).await;
            outcome.assert("encryption", "ok", "TLS with ");
        }
    }
}

/// The driver's TLS library cannot read such a certificate, whatever it is asked to verify.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_version_1_matters_only_where_tls_is_asked_for() {
    let key = KeyPair::generate().unwrap();
    let (site, _folder) = offering(&of_version_1(&key), &key).await;
    let url = site.url();
    // MySQL asks for the password itself, which needs TLS.
    if let Family::MariaDb = site.server.family() {
        migrate(&site).await;
        let _sidecar = busy(&site, &url).await;
        let outcome = check_with(&site, &url, &[]).await;
        outcome.assert("encryption", "ok", "none needed");
        // A wrong password is not taken for a matter of the certificate.
        let (port, socket) = (site.server.port(), site.server.socket());
        for address in [
            format!("127.0.0.1:{port}/{0}", site.database),
            format!("localhost/{}?socket={}", site.database, socket.display()),
        ] {
            let url = format!("mysql://nobody:{PASSWORD}@{address}");
            let outcome = check_with(&site, &url, &[]).await;
            outcome.assert("database", "failed", "Access denied");
        }
    }
    let outcome = check_with(&site, &format!("{url}?ssl-mode=REQUIRED"), &[]).await;
    outcome.assert("database", "failed", "UnsupportedCertVersion");
}
