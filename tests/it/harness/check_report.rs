//! Runs `fcom-sidecar check` and `migrate` for a site, and reads what `check` reports.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::harness::leaks;
use crate::harness::site::{PREFIX, Site};

/// The password of accounts that these tests create.
pub(crate) const PASSWORD: &str = "limited-account-password";

/// The result of one run.
pub(crate) struct Outcome {
    pub(crate) output: String,
    pub(crate) code: Option<i32>,
}

impl Outcome {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.output)
            .unwrap_or_else(|error| panic!("{error}:\n{}", self.output))
    }

    /// The checks of this name.
    pub(crate) fn of(&self, name: &str) -> Vec<Value> {
        let json = self.json();
        let checks = json["checks"].as_array().unwrap().iter();
        checks.filter(|c| c["name"] == name).cloned().collect()
    }

    pub(crate) fn names(&self) -> BTreeSet<String> {
        let json = self.json();
        let checks = json["checks"].as_array().unwrap().iter();
        checks
            .map(|check| check["name"].as_str().unwrap().to_owned())
            .collect()
    }

    pub(crate) fn with_status(&self, status: &str) -> BTreeSet<String> {
        let json = self.json();
        let checks = json["checks"].as_array().unwrap().iter();
        checks
            .filter(|check| check["status"] == status)
            .map(|check| check["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Asserts that the one check of this name has this status and message, and a remedy unless its status is ok.
    #[track_caller]
    pub(crate) fn assert(&self, name: &str, status: &str, found: &str) {
        let checks = self.of(name);
        let [check] = checks.as_slice() else {
            panic!("{name}: {checks:#?}\n{}", self.output);
        };
        assert_eq!(check["status"], status, "{}", self.output);
        assert!(check["found"].as_str().unwrap().contains(found), "{check}");
        let wants_remedy = ["warning", "failed"].contains(&status);
        assert_eq!(check["remedy"].is_string(), wants_remedy, "{check}");
    }

    /// Asserts which checks failed. What keeps `serve` from getting ready fails under `readiness` once more, and that alone
    /// is not enough.
    #[track_caller]
    pub(crate) fn assert_only_failed(&self, names: &[&str]) {
        let names: BTreeSet<String> = names.iter().map(ToString::to_string).collect();
        let mut failed = self.with_status("failed");
        if !names.is_empty() && !names.contains("readiness") {
            failed.remove("readiness");
        }
        assert_eq!(failed, names, "{}", self.output);
        let code = i32::from(!names.is_empty());
        assert_eq!(self.code, Some(code), "{}", self.output);
    }
}

/// Runs a command for the site, and asserts that its output contains no secret.
pub(crate) async fn run(site: &Site, url: &str, arguments: &[&str]) -> Outcome {
    let keys = "SELECT meta_key FROM wp_fcom_meta WHERE object_type = 'webhook'";
    let mut secrets = BTreeSet::from_iter(site.column(keys).await);
    secrets.extend([site.server.password().to_owned(), PASSWORD.to_owned()]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    let version = site.wordpress;
    let configuration = format!(
        "[wordpress]\ntable_prefix = \"{PREFIX}\"\nversion = \"{version}\"\n[database]\nurl = \"{url}\"\n\
         [server]\nlisten = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         [smtp]\nurl = \"smtp://u:{PASSWORD}@127.0.0.1:9\"\n\
         [log]\nfilter = \"trace\"\n"
    );
    std::fs::write(&file, configuration).unwrap();
    // Nobody else may read the passwords in it.
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_fcom-sidecar"));
    command.args(arguments).arg("--config").arg(&file);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complained = String::from_utf8(output.stderr).unwrap();
    let leaks = leaks::found_in(&format!("{said}\n{complained}"), &secrets);
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    assert_eq!(complained, "", "{said}");
    Outcome {
        output: said,
        code: output.status.code(),
    }
}

pub(crate) async fn check(site: &Site) -> Outcome {
    check_with(site, &site.url(), &[]).await
}

pub(crate) async fn check_with(site: &Site, url: &str, arguments: &[&str]) -> Outcome {
    run(site, url, &[&["check", "--json"], arguments].concat()).await
}

/// A site with the daemon's own tables.
pub(crate) async fn migrated(fixture: &str) -> Site {
    let site = Site::new(fixture).await;
    migrate(&site).await;
    site
}

pub(crate) async fn migrate(site: &Site) {
    migrate_with(site, &site.url()).await;
}

/// Migrates with the account in this URL.
pub(crate) async fn migrate_with(site: &Site, url: &str) {
    let done = run(site, url, &["migrate"]).await;
    assert_eq!(done.code, Some(0), "{}", done.output);
}
