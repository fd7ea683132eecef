//! The site moves: `wp-config.php` names another database or other tables, while the old ones are still there.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::harness::agreement;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{PLAIN_HOOK, SPACES_HOOK, Site};

/// The exit status that makes a service manager start the process again.
const MOVED: i32 = 75;

/// A WordPress directory whose `wp-config.php` is replaced as an administrator's editor does.
struct Root {
    folder: TempDir,
    text: String,
}

impl Root {
    fn of(site: &Site) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("wp-includes")).unwrap();
        let version = format!("<?php\n$wp_version = '{}';\n", site.wordpress);
        fs::write(folder.path().join("wp-includes/version.php"), version).unwrap();
        let (port, password) = (site.server.port(), site.server.password());
        let text = format!(
            "<?php\ndefine('DB_NAME', '{}');\ndefine('DB_USER', 'sidecar');\ndefine('DB_PASSWORD', '{password}');\n\
             define('DB_HOST', '127.0.0.1:{port}');\n$table_prefix = '{}';\n\
             require_once ABSPATH . 'wp-settings.php';\n",
            site.database, site.prefix
        );
        let root = Self { folder, text };
        root.write(&root.text);
        root
    }

    fn write(&self, text: &str) {
        let new = self.folder.path().join("wp-config.new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.file()).unwrap();
    }

    fn replace(&self, before: &str, after: &str) {
        assert!(self.text.contains(before));
        self.write(&self.text.replace(before, after));
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("wp-config.php")
    }

    async fn start(&self, site: &Site, environment: &[(&str, &str)]) -> Sidecar {
        let sections = format!("[wordpress]\nroot = \"{}\"", self.folder.path().display());
        Sidecar::start_configured(site, &sections, environment).await
    }
}

#[tokio::test]
async fn calls_no_longer_go_into_the_old_tables_and_the_remedy_is_named() {
    let site = Site::new("71").await;
    let root = Root::of(&site);
    let sidecar = root.start(&site, &[("NOTIFY_SOCKET", "")]).await;
    let users = "SELECT COUNT(*) FROM wp_users";
    for (times, (before, after, what)) in [
        ("'wp_'", "'new_'", "another table prefix"),
        (site.database.as_str(), "elsewhere", "another database"),
        (
            "require_once",
            "define('CUSTOM_USER_TABLE', 'other_users');\nrequire_once",
            "another users table",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        sidecar
            .client
            .execute(SPACES_HOOK, &[("email", "ann@example.com")])
            .await;
        let count = site.number(users).await;
        root.replace(before, after);
        agreement::not_ready(&sidecar, what, Some("restart the sidecar")).await;
        assert_eq!(site.number(users).await, count);
        root.write(&root.text);
        sidecar.client.readiness_becomes(200).await;
        let again = sidecar.log().matches("ready again").count();
        assert_eq!(again, times + 1);
    }
}

#[tokio::test]
async fn a_supervised_daemon_ends_and_starts_with_the_new_site() {
    let mut site = Site::new("71").await;
    let root = Root::of(&site);
    let mut sidecar = root
        .start(&site, &[("NOTIFY_SOCKET", "/nowhere/notify")])
        .await;
    sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    // Nothing that concerns the daemon.
    root.replace("require_once", "define('WP_DEBUG', true);\nrequire_once");
    // Half written: no configuration that a start could use.
    root.write("<?php\ndefine('DB_NAME', 'x');\n$table_prefix = 'ne");
    site.rename("new_").await;
    root.replace("'wp_'", "'new_'");
    let status = sidecar.ends().await;
    assert_eq!(status.code(), Some(MOVED), "{}", sidecar.log());
    sidecar
        .says("it ends, to be started again with the new one")
        .await;
    sidecar.restart().await;
    let id = sidecar
        .client
        .execute(PLAIN_HOOK, &[("email", "bob@example.com")])
        .await;
    let found = format!(
        "SELECT COUNT(*) FROM new_users WHERE ID = {id} AND user_email = 'bob@example.com'"
    );
    assert_eq!(site.number(&found).await, 1);
}
