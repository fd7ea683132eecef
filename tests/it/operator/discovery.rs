//! Discovery of settings: the database, the table names and the version, from the files of a WordPress directory or,
//! without one, from the database.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::invariants;
use crate::harness::sidecar::Sidecar;
use crate::harness::site::{MEMBERS_HOOK, PLAIN_HOOK, PREFIX, SPACES_HOOK, Site};
use crate::harness::tables::make_network;

/// A WordPress directory with the two files that the daemon reads.
struct Root(TempDir);

impl Root {
    /// For a site; `more` is appended to its `wp-config.php`.
    fn of(site: &Site, host: &str, more: &str) -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        let (database, password, prefix) = (&site.database, site.server.password(), &site.prefix);
        let config = format!(
            "<?php\n\
             define( 'DB_NAME', '{database}' );\n\
             define( 'DB_USER', 'sidecar' );\n\
             define( 'DB_PASSWORD', '{password}' );\n\
             define( 'DB_HOST', '{host}' );\n\
             define( 'DB_CHARSET', 'utf8mb4' );\n\
             define( 'DB_COLLATE', '' );\n\
             $table_prefix = '{prefix}';\n\
             {more}\n\
             if ( ! defined( 'ABSPATH' ) ) {{\n\tdefine( 'ABSPATH', __DIR__ . '/' );\n}}\n\
             require_once ABSPATH . 'wp-settings.php';\n"
        );
        fs::write(root.path().join("wp-config.php"), config).unwrap();
        fs::create_dir(root.path().join("wp-includes")).unwrap();
        root.set_version(site.wordpress);
        root
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Like an update: the new file replaces the old one.
    fn set_version(&self, version: &str) {
        let folder = self.path().join("wp-includes");
        let text = format!("<?php\n$wp_version = '{version}';\n$wp_db_version = 60717;\n");
        fs::write(folder.join("version.new"), text).unwrap();
        fs::rename(folder.join("version.new"), folder.join("version.php")).unwrap();
    }

    /// `wordpress.root` is the only setting.
    async fn start(&self, site: &Site) -> Sidecar {
        let sections = format!("[wordpress]\nroot = \"{}\"", self.path().display());
        Sidecar::start_configured(site, &sections, &[]).await
    }
}

fn over_tcp(site: &Site) -> String {
    format!("127.0.0.1:{}", site.server.port())
}

/// The user's metadata, in the order of insertion.
async fn meta_keys(site: &Site, usermeta: &str, user_id: u64) -> Vec<String> {
    let sql =
        format!("SELECT meta_key FROM {usermeta} WHERE user_id = {user_id} ORDER BY umeta_id");
    site.column(&sql).await
}

/// The metadata that differs between releases: `admin_color`, and whether `infinite_scrolling` exists.
async fn traits(site: &Site, user_id: u64) -> String {
    let sql = format!(
        "SELECT CONCAT(MAX(IF(meta_key = 'admin_color', meta_value, '')), ' ', SUM(meta_key = 'infinite_scrolling'))
         FROM wp_usermeta WHERE user_id = {user_id}"
    );
    site.text(&sql).await.unwrap()
}

#[tokio::test]
async fn the_directory_is_enough_over_tcp_and_over_a_socket() {
    for over_socket in [false, true] {
        let site = Site::new("71").await;
        let host = if over_socket {
            format!("localhost:{}", site.server.socket().display())
        } else {
            over_tcp(&site)
        };
        let root = Root::of(&site, &host, "");
        let sidecar = root.start(&site).await;
        for hook in [MEMBERS_HOOK, PLAIN_HOOK] {
            let id = sidecar
                .client
                .execute(hook, &[("email", "ann@example.com")])
                .await;
            assert_eq!(id, 13, "{host}");
        }
        assert_eq!(traits(&site, 13).await, "modern 1");
        invariants::assert_hold(&site).await;
    }
}

#[tokio::test]
async fn another_prefix_names_the_tables_and_the_capabilities() {
    let mut site = Site::new("71").await;
    site.rename("Club_2_").await;
    site.execute(
        "UPDATE Club_2_options SET option_value = 'editor' WHERE option_name = 'default_role'",
    )
    .await;
    let root = Root::of(&site, &over_tcp(&site), "");
    let sidecar = root.start(&site).await;
    let id = sidecar
        .client
        .execute(SPACES_HOOK, &[("email", "ann@example.com")])
        .await;
    let keys = meta_keys(&site, "Club_2_usermeta", id).await;
    assert_eq!(
        keys[keys.len() - 2..],
        ["Club_2_capabilities", "Club_2_user_level"]
    );
    let level = format!(
        "SELECT meta_value FROM Club_2_usermeta WHERE user_id = {id} AND meta_key = 'Club_2_user_level'"
    );
    assert_eq!(site.text(&level).await.as_deref(), Some("7"));
    let tables = "SELECT table_name FROM information_schema.tables \
                  WHERE table_schema = DATABASE() AND table_name NOT LIKE 'Club\\_2\\_%'";
    assert_eq!(site.column(tables).await, [""; 0]);
    let own = "SELECT COUNT(*) FROM Club_2_fcom_sidecar_runs WHERE tallied";
    assert_eq!(site.number(own).await, 1);
    let count = "SELECT option_value FROM Club_2_options WHERE option_name = 'user_count'";
    assert_eq!(site.number(count).await, 13);
}

/// On a network WordPress removes the filters that let the constants override the options.
#[tokio::test]
async fn constants_say_a_webhooks_address_but_on_a_network() {
    let constants = "define( 'WP_HOME', 'https://constant.example' );\n\
                     define( 'WP_SITEURL', 'https://constant.example/wp' );\n";
    let network = format!("{constants}define( 'MULTISITE', true );");
    for (more, blog_id, address) in [
        (constants, "", "https://constant.example/portal/"),
        (
            &network,
            "\nblog_id = 1",
            "https://community.example.com/portal/",
        ),
    ] {
        let site = Site::new("71").await;
        if !blog_id.is_empty() {
            make_network(&site).await;
        }
        let root = Root::of(&site, &over_tcp(&site), more);
        let sections = format!("[wordpress]\nroot = \"{}\"{blog_id}", root.path().display());
        let sidecar = Sidecar::start_configured(&site, &sections, &[]).await;
        let (succeeded, url, errors) = sidecar.output(&["webhook", "url", "3"]);
        assert!(succeeded && url.starts_with(address), "{url}{errors}");
        let (_, report, errors) = sidecar.output(&["check", "--json"]);
        let report: Value = serde_json::from_str(&report).unwrap();
        let mut checks = report["checks"].as_array().unwrap().iter();
        let portal = checks.find(|check| check["name"] == "portal").unwrap();
        let found = portal["found"].as_str().unwrap();
        assert!(found.starts_with(address), "{found}{errors}");
    }
}

#[tokio::test]
async fn users_may_live_in_tables_of_other_names() {
    let site = Site::new("71").await;
    site.execute("RENAME TABLE wp_users TO shared_people, wp_usermeta TO shared_notes")
        .await;
    let more = "define( 'CUSTOM_USER_TABLE', 'shared_people' );\n\
                define( \"CUSTOM_USER_META_TABLE\", \"shared_notes\" );";
    let root = Root::of(&site, &over_tcp(&site), more);
    let sidecar = root.start(&site).await;
    let client = &sidecar.client;
    let id = client
        .execute(MEMBERS_HOOK, &[("email", "ann@example.com")])
        .await;
    assert_eq!(id, 13);
    assert_eq!(
        client
            .execute(MEMBERS_HOOK, &[("email", "existing@example.com")])
            .await,
        2
    );
    let keys = meta_keys(&site, "shared_notes", id).await;
    // The capability keys have the installation's own prefix.
    assert!(keys.contains(&"wp_capabilities".to_owned()), "{keys:?}");
    let count = "SELECT option_value FROM wp_options WHERE option_name = 'user_count'";
    assert_eq!(site.number(count).await, 13);
}

#[tokio::test]
async fn an_update_of_wordpress_counts_from_the_next_call() {
    let site = Site::new("67").await;
    let root = Root::of(&site, &over_tcp(&site), "");
    let sidecar = root.start(&site).await;
    let client = &sidecar.client;
    let before = client
        .execute(PLAIN_HOOK, &[("email", "before@example.com")])
        .await;
    assert_eq!(traits(&site, before).await, "fresh 0");
    root.set_version("7.1");
    let after = client
        .execute(PLAIN_HOOK, &[("email", "after@example.com")])
        .await;
    assert_eq!(traits(&site, after).await, "modern 1");
    // A file that is still being copied has no version, so the last known one counts.
    fs::write(
        root.path().join("wp-includes/version.php"),
        "<?php\n$wp_vers",
    )
    .unwrap();
    let during = client
        .execute(PLAIN_HOOK, &[("email", "during@example.com")])
        .await;
    assert_eq!(traits(&site, during).await, "modern 1");
    root.set_version("7.0.4");
    let last = client
        .execute(PLAIN_HOOK, &[("email", "last@example.com")])
        .await;
    assert_eq!(traits(&site, last).await, "modern 0");
}

/// As Deployer, Capistrano and Trellis do it: a link chooses the release, and old ones are removed.
#[tokio::test]
async fn a_release_that_a_link_chooses_counts_from_the_next_call() {
    let site = Site::new("67").await;
    let (old, new) = (
        Root::of(&site, &over_tcp(&site), ""),
        Root::of(&site, &over_tcp(&site), ""),
    );
    new.set_version("7.1");
    // Both files have the same time, as when they come from one archive.
    let file = |root: &Root| root.path().join("wp-includes/version.php");
    let time = fs::metadata(file(&old)).unwrap().modified().unwrap();
    let newer = fs::File::options().append(true).open(file(&new)).unwrap();
    newer.set_modified(time).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let choose = |root: &Root| {
        let (made, current) = (folder.path().join("new"), folder.path().join("current"));
        symlink(root.path(), &made).unwrap();
        fs::rename(made, &current).unwrap();
        current
    };
    let current = choose(&old);
    let sections = format!("[wordpress]\nroot = \"{}\"", current.display());
    let sidecar = Sidecar::start_configured(&site, &sections, &[]).await;
    let call = async |email| {
        sidecar
            .client
            .execute(PLAIN_HOOK, &[("email", email)])
            .await
    };
    let before = call("before@example.com").await;
    assert_eq!(traits(&site, before).await, "fresh 0");
    choose(&new);
    drop(old);
    let after = call("after@example.com").await;
    assert_eq!(traits(&site, after).await, "modern 1");
}

/// Only the database is configured.
async fn start_without_a_version(site: &Site) -> Sidecar {
    let sections = format!("[database]\nurl = \"{}\"", site.url());
    Sidecar::start_configured(site, &sections, &[]).await
}

#[tokio::test]
async fn without_any_setting_the_database_tells_the_version() {
    // 7.0 and 7.1 share their `db_version`: without the transient the older one is assumed.
    for (fixture, with_transient, without) in [
        ("61", "fresh 0", "fresh 0"),
        ("67", "fresh 0", "fresh 0"),
        ("70", "modern 0", "modern 0"),
        ("71", "modern 1", "modern 0"),
    ] {
        let site = Site::new(fixture).await;
        assert_eq!(site.prefix, PREFIX);
        let sidecar = start_without_a_version(&site).await;
        let id = sidecar
            .client
            .execute(PLAIN_HOOK, &[("email", "a@example.com")])
            .await;
        assert_eq!(traits(&site, id).await, with_transient, "{fixture}");
        site.execute(
            "DELETE FROM wp_options WHERE option_name = '_transient_wp_core_block_css_files'",
        )
        .await;
        let id = sidecar
            .client
            .execute(PLAIN_HOOK, &[("email", "b@example.com")])
            .await;
        assert_eq!(traits(&site, id).await, without, "{fixture}");
    }
}

#[tokio::test]
async fn a_site_that_does_not_tell_its_version_gets_no_user_and_the_log_says_why() {
    let site = Site::new("71").await;
    let versions =
        "FROM wp_options WHERE option_name IN ('db_version', '_transient_wp_core_block_css_files')";
    site.execute(&format!("DELETE {versions}")).await;
    let sidecar = start_without_a_version(&site).await;
    let response = sidecar
        .client
        .call(PLAIN_HOOK, &[("email", "ann@example.com")])
        .await;
    assert!((400..600).contains(&response.status), "{}", response.text());
    let users = site.number("SELECT MAX(ID) FROM wp_users").await;
    assert_eq!(users, site.last_user);
    let log = sidecar.log();
    assert!(
        log.contains("set wordpress.version or wordpress.root"),
        "{log}"
    );
    // A user with a profile needs no version.
    let known = [("email", "memberships@example.com")];
    assert_eq!(sidecar.client.execute(SPACES_HOOK, &known).await, 7);
}

/// The plugin's folder is where WordPress looks for it, which need not be `wp-content/mu-plugins`.
#[tokio::test]
async fn the_remedy_for_a_missing_plugin_names_the_folder_of_this_site() {
    let site = Site::new("71").await;
    for (more, folder) in [
        ("", "wp-content/mu-plugins, and"),
        (
            "define( 'WP_CONTENT_DIR', '/srv/app' );",
            " /srv/app/mu-plugins, and",
        ),
        (
            "define( 'WPMU_PLUGIN_DIR', '/srv/must-use' );",
            " /srv/must-use, and",
        ),
        (
            "define( 'WPMU_PLUGIN_DIR', gethostname() );",
            " the folder that WPMU_PLUGIN_DIR names, and",
        ),
    ] {
        let root = Root::of(&site, &over_tcp(&site), more);
        let sidecar = root.start(&site).await;
        // An address at which something answers, but not the plugin.
        let url = format!("relay.url=http://{}/", sidecar.client.admin);
        let settings = ["relay.enabled=true", &url, "relay.secret=0123456789abcdef"];
        let mut arguments = vec!["check", "--json"];
        for setting in settings {
            arguments.extend(["--set", setting]);
        }
        let (_, report, complaint) = sidecar.output(&arguments);
        let report: Value = serde_json::from_str(&report).unwrap_or_else(|_| panic!("{complaint}"));
        let mut checks = report["checks"].as_array().unwrap().iter();
        let relay = checks.find(|check| check["name"] == "relay").unwrap();
        for key in ["found", "remedy"] {
            assert!(relay[key].as_str().unwrap().contains(folder), "{relay}");
        }
    }
}
