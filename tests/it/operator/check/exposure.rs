//! `fcom-sidecar check` on what others may know or claim: files with secrets, secrets used twice, trusted addresses, and
//! the role of new users.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::check_report::{check, check_with, migrated};

const TOKEN: &str = "r/nTfmVLvtoDmyrKTFH1v7bCqm5QXwpS";
const OTHER: &str = "5f1c8b1de5a9407c9a1f0b6f2e7d3c48";

/// The findings of one name, without a database.
fn findings(name: &str, configuration: &Path, set: &[&str]) -> Vec<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fcom-sidecar"));
    command
        .args(["check", "--json", "--config"])
        .arg(configuration);
    command
        .args(set.iter().flat_map(|option| ["--set", option]))
        .env_clear();
    let said = command.output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    assert!(!said.contains(TOKEN) && !said.contains(OTHER), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["name"] == name)
        .cloned()
        .collect()
}

#[track_caller]
fn assert_finding(findings: &[Value], status: &str, words: &[&str]) {
    let [finding] = findings else {
        panic!("{findings:#?}");
    };
    assert_eq!(finding["status"], status, "{finding}");
    let found = finding["found"].as_str().unwrap();
    for words in words {
        assert!(found.contains(words), "{words}: {found}");
    }
    assert_eq!(
        finding["remedy"].is_string(),
        status == "warning",
        "{finding}"
    );
}

const DATABASE: &str = "database.url=mysql://u:database-password@127.0.0.1:9/d";

#[test]
fn files_with_secrets_that_others_can_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        set(&path, 0o644);
        path
    };
    let plain = write("plain.toml", "[log]\nfilter = \"info\"\n");
    let inline = write("inline.toml", &format!("[admin]\ntoken = \"{TOKEN}\"\n"));
    let token = write("token", TOKEN);
    let of_file = format!("admin.token_file={}", token.display());
    let signed = write("signed", &format!("whsec_{TOKEN}\n"));
    let of_protection = format!("protection.shop.secrets_file={}", signed.display());
    let files = |configuration: &Path, set: &[&str]| {
        findings("secret-files", configuration, &[&[DATABASE], set].concat())
    };
    set(folder.path(), 0o700);
    // The folder keeps others out.
    assert_finding(
        &files(&inline, &[]),
        "ok",
        &["1, which others can neither read nor change"],
    );
    set(folder.path(), 0o755);
    assert_finding(&files(&plain, &[]), "ok", &["no file holds secrets"]);
    let everybody = "holds a secret and can be read by everybody (mode 0644)";
    assert_finding(&files(&inline, &[]), "warning", &["inline.toml", everybody]);
    assert_finding(
        &files(&plain, &[&of_file]),
        "warning",
        &["token", everybody],
    );
    let protected = [&*of_protection, "protection.shop.webhook_id=4"];
    assert_finding(
        &files(&plain, &protected),
        "warning",
        &["signed", everybody],
    );
    assert_eq!(files(&inline, &protected).len(), 2);
    set(&token, 0o602);
    assert_finding(
        &files(&plain, &[&of_file]),
        "warning",
        &["changed by everybody (mode 0602)"],
    );
    set(&token, 0o600);
    assert_finding(&files(&plain, &[&of_file]), "ok", &["1, which"]);
}

#[test]
fn a_secret_that_stands_for_two_things_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    fs::write(&file, "").unwrap();
    let token = format!("admin.token={TOKEN}");
    let relay = ["relay.url=http://a.example/", "relay.enabled=true"];
    let secret = |secret: &str| format!("relay.secret={secret}");
    let signed = format!("protection.shop.secrets=whsec_{TOKEN}");
    let shop = "protection.shop.webhook_id=4";
    let secrets = |set: &[&str]| findings("secrets", &file, &[&[DATABASE], set].concat());
    let other = secret(OTHER);
    let different = [&*token, relay[0], relay[1], &*other];
    assert_finding(&secrets(&different), "ok", &["3, each used for one thing"]);
    let same = secret(TOKEN);
    let same = [&*token, relay[0], relay[1], &*same];
    assert_finding(&secrets(&same), "warning", &["admin.token = relay.secret"]);
    let both = [&*token, &*signed, shop];
    let words = "admin.token = secrets of [protection.shop]";
    assert_finding(&secrets(&both), "warning", &[words]);
    let mail = "smtp.url=smtp://u:database%2Dpassword@127.0.0.1:9";
    let words = "the database password = the password in smtp.url";
    assert_finding(&secrets(&[mail]), "warning", &[words]);
}

#[test]
fn addresses_that_anybody_here_can_claim_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    fs::write(&file, "").unwrap();
    let networks = [
        "protection.shop.webhook_id=4",
        "protection.shop.allowed_networks=192.0.2.0/24",
    ];
    let callers = |set: &[&str]| findings("caller-addresses", &file, &[&[DATABASE], set].concat());
    assert_eq!(callers(&[]), [Value::Null; 0]);
    let with = |set: &[&str]| callers(&[&networks[..], set].concat());
    let local = "every user and every site on this machine can connect to 127.0.0.1:8095";
    assert_finding(&with(&[]), "warning", &[local, "[protection.shop]"]);
    let none = "server.trusted_proxies=";
    assert_finding(
        &with(&[none]),
        "warning",
        &["no proxy on this machine is trusted"],
    );
    let all = "server.trusted_proxies=10.0.0.0/8,::/0";
    assert_finding(&with(&[all]), "warning", &["has every address in it"]);
    let docker = "server.trusted_proxies=172.16.0.0/12";
    let words = ["172.16.0.0/12", "behind its gateway", "[protection.shop]"];
    assert_finding(&with(&[docker]), "warning", &words);
    let socket = "server.listen=unix:/run/s.sock";
    assert_finding(&with(&[socket, none]), "ok", &["[protection.shop]"]);
    let open = "server.socket_mode=0666";
    let words = "every user of this machine can open unix:/run/s.sock";
    assert_finding(&with(&[socket, none, open]), "warning", &[words]);
    let elsewhere = [
        "server.listen=0.0.0.0:8095",
        "server.trusted_proxies=10.1.2.3",
    ];
    assert_finding(&with(&elsewhere), "ok", &["what trusted proxies report"]);
}

#[tokio::test]
async fn a_role_above_subscriber_is_named_with_what_it_may() {
    let site = migrated("71").await;
    let role = async |role: &str| {
        site.execute(&format!(
            "UPDATE wp_options SET option_value = '{role}' WHERE option_name = 'default_role'"
        ))
        .await;
        check(&site).await
    };
    role("subscriber")
        .await
        .assert("default-role", "ok", "subscriber");
    role("contributor")
        .await
        .assert("default-role", "warning", "contributor, so that each call");
    role("author")
        .await
        .assert("default-role", "warning", "upload_files");
    role("editor").await.assert(
        "default-role",
        "warning",
        "power over other people's accounts",
    );
    // The report of a site without protections has no line about callers.
    let outcome = check_with(&site, &site.url(), &[]).await;
    assert!(outcome.of("caller-addresses").is_empty());
}
