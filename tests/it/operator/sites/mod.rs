//! Sites as people have them: `wp-config.php` in several files or computed, `wp-content` elsewhere, old addresses in the
//! database, the login page moved. The mails of each lead to the right place, or `check` says what is wrong.

mod layouts;
mod links;

use std::fs;
use std::path::{Path, PathBuf};

use fcom_sidecar::sample::mailbox::Mailbox;
use mailparse::parse_mail;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, Site};

const ENGLISH: &str = "To set your password, visit the following address:";
const GERMAN: &str = "Lege dein Passwort unter dieser Adresse fest:";

/// A copy of a configuration of `tests/data/wp-config`, as a site's folder.
struct Layout(TempDir);

impl Layout {
    fn of(case: &str, root: &str, wordpress: &str) -> Self {
        let layout = Self(tempfile::tempdir().unwrap());
        let source = format!("{}/tests/data/wp-config/{case}", env!("CARGO_MANIFEST_DIR"));
        copy(Path::new(&source), layout.0.path());
        layout.write(
            &Path::new(root)
                .join("wp-includes/version.php")
                .display()
                .to_string(),
            format!("<?php\n$wp_version = '{wordpress}';\n"),
        );
        layout
    }

    fn path(&self, name: &str) -> PathBuf {
        assert!(!name.starts_with('/'));
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// `wordpress.root` is the only setting.
    fn sections(&self, root: &str) -> String {
        format!("[wordpress]\nroot = \"{}\"\n", self.path(root).display())
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(source, target).unwrap();
        }
    }
}

/// A catalogue with one translation.
fn catalogue() -> Vec<u8> {
    let words = [28_u32, 44, 60, 0, 76];
    let (header, english, german) = ("", ENGLISH, GERMAN);
    let charset = "Content-Type: text/plain; charset=UTF-8\n";
    let mut texts = Vec::new();
    let mut tables = Vec::new();
    for text in [header, english, charset, german] {
        tables.push(u32::try_from(text.len()).unwrap());
        tables.push(60 + u32::try_from(texts.len()).unwrap());
        texts.extend(text.bytes());
        texts.push(0);
    }
    let head = [0x9504_12DE, 0, 2, words[0], words[1], 0, words[2]];
    let numbers = head.into_iter().chain(tables);
    let mut bytes: Vec<u8> = numbers.flat_map(u32::to_le_bytes).collect();
    bytes.extend(texts);
    bytes
}

async fn mailbox(sidecar: &mut Sidecar) -> Mailbox {
    let mailbox = Mailbox::open().await.unwrap();
    sidecar.set_mail_server(&format!("smtp://127.0.0.1:{}", mailbox.port()));
    sidecar.hang_up();
    mailbox
}

/// The text of the mail that a new member gets; records its key as a secret.
async fn mail_to(sidecar: &Sidecar, mailbox: &mut Mailbox, email: &str) -> String {
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", email)])
        .await;
    let mail = mailbox.next().await.unwrap();
    let text = parse_mail(mail.message.as_bytes())
        .unwrap()
        .get_body()
        .unwrap();
    let key = text.split_once("key=").unwrap().1;
    let key = key.chars().take_while(char::is_ascii_alphanumeric);
    sidecar.client.record(&[key.collect()]);
    text
}

/// What `check` finds: name, status, and words of the finding or its remedy.
#[track_caller]
fn assert_checks(sidecar: &Sidecar, expected: &[(&str, &str, &str)]) {
    let (_, report, errors) = sidecar.output(&["check", "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap_or_else(|_| panic!("{errors}"));
    for (name, status, said) in expected {
        let mut checks = report["checks"].as_array().unwrap().iter();
        let check = checks.find(|check| check["name"] == *name).unwrap();
        let text = |key: &str| check[key].as_str().unwrap_or_default();
        let words = format!("{} {}", text("found"), text("remedy"));
        assert!(
            check["status"] == *status && words.contains(said),
            "{name}: {}: {words}",
            check["status"]
        );
    }
}

#[track_caller]
fn assert_check(sidecar: &Sidecar, name: &str, status: &str, said: &str) {
    assert_checks(sidecar, &[(name, status, said)]);
}

/// The addresses in the database are old ones.
async fn stale_site() -> Site {
    let site = Site::new("71").await;
    site.execute(
        "UPDATE wp_options SET option_value = 'http://localhost:8080' WHERE option_name IN ('siteurl', 'home')",
    )
    .await;
    site
}

fn host(site: &Site) -> String {
    format!("127.0.0.1:{}", site.server.port())
}
