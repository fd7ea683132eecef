//! Sites as people have them: `wp-config.php` in several files or computed, `wp-content` elsewhere, old addresses in the
//! database, the login page moved. The mails of each lead to the right place, or `check` says what is wrong.

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

#[tokio::test]
async fn bedrocks_layout_is_read_from_its_files() {
    let site = stale_site().await;
    site.execute("INSERT INTO wp_options (option_name, option_value) VALUES ('WPLANG', 'de_DE')")
        .await;
    let layout = Layout::of("bedrock", "web/wp", site.wordpress);
    let settings = format!(
        "DB_NAME='{}'\nDB_USER=\"sidecar\"\nDB_PASSWORD='{}'\nDB_HOST='{}'\nWP_ENV=staging\n\
         WP_HOME='https://club.example.org'\nWP_SITEURL=\"${{WP_HOME}}/wp\"\n",
        site.database,
        site.server.password(),
        host(&site)
    );
    layout.write(".env", settings);
    layout.write(".env.local", "DB_PREFIX=wp_\n");
    layout.write("web/app/languages/de_DE.mo", catalogue());
    layout.write("web/app/object-cache.php", "<?php\n");
    let mut sidecar = Sidecar::start_configured(&site, &layout.sections("web/wp"), &[]).await;
    let mut mailbox = mailbox(&mut sidecar).await;
    let mail = mail_to(&sidecar, &mut mailbox, "ann@example.com").await;
    assert!(mail.contains(GERMAN), "{mail}");
    assert!(
        mail.contains("https://club.example.org/wp/wp-login.php?"),
        "{mail}"
    );
    let (succeeded, url, errors) = sidecar.output(&["webhook", "url", "3"]);
    assert!(
        succeeded && url.starts_with("https://club.example.org/portal/?"),
        "{url}{errors}"
    );
    assert_checks(
        &sidecar,
        &[
            (
                "mail-links",
                "ok",
                "https://club.example.org/wp/wp-login.php",
            ),
            (
                "object-cache",
                "warning",
                "web/app/object-cache.php is there",
            ),
            ("language", "ok", "de_DE"),
            ("configuration", "ok", "config/application.php"),
        ],
    );
}

#[tokio::test]
async fn the_container_images_configuration_is_read_with_its_environment() {
    let site = stale_site().await;
    let layout = Layout::of("container", "", site.wordpress);
    layout.write("secret", format!("{}\n", site.server.password()));
    let secret = layout.path("secret").display().to_string();
    let environment = [
        ("WORDPRESS_DB_HOST", &*host(&site)),
        ("WORDPRESS_DB_USER", "sidecar"),
        ("WORDPRESS_DB_PASSWORD_FILE", &secret),
        ("WORDPRESS_DB_NAME", &site.database),
        (
            "WORDPRESS_CONFIG_EXTRA",
            "define('WP_HOME', 'https://club.example.org'); define('WP_SITEURL', WP_HOME . '/core');",
        ),
    ];
    let sections = layout.sections("");
    let mut sidecar = Sidecar::start_configured(&site, &sections, &environment).await;
    let mut mailbox = mailbox(&mut sidecar).await;
    let mail = mail_to(&sidecar, &mut mailbox, "ann@example.com").await;
    assert!(
        mail.contains("https://club.example.org/core/wp-login.php?"),
        "{mail}"
    );
    assert_check(
        &sidecar,
        "mail-links",
        "ok",
        "https://club.example.org/core/",
    );
}

/// Without the site's environment its defaults would be a guess.
#[tokio::test]
async fn without_the_containers_environment_the_variables_are_named() {
    let site = Site::new("71").await;
    let layout = Layout::of("container", "", site.wordpress);
    let sections = layout.sections("");
    let sidecar = Sidecar::unstarted_with(&site, &sections).await;
    let (succeeded, _, errors) = sidecar.output(&["serve"]);
    assert!(!succeeded);
    for words in [
        "wp-config.php: line 19 sets DB_HOST, which depends on the variable WORDPRESS_DB_HOST",
        "set database.url (or database.url_file) instead",
        "set wordpress.table_prefix instead",
    ] {
        assert!(errors.contains(words), "{words}: {errors}");
    }
}

#[tokio::test]
async fn a_configuration_in_two_files_is_read() {
    let site = stale_site().await;
    let layout = Layout::of("two-files", "", site.wordpress);
    layout.write(
        "wp-config-local.php",
        format!(
            "<?php\ndefine( 'DB_NAME', '{}' );\ndefine( 'DB_PASSWORD', '{}' );\n$table_prefix = 'wp_';\n",
            site.database,
            site.server.password()
        ),
    );
    layout.write(
        "config/settings.php",
        "<?php\nreturn array( 'user' => 'sidecar', 'home' => 'https://club.example.org' );\n",
    );
    layout.write(
        "config/database.php",
        format!(
            "<?php\ndefine( 'DB_HOST', '{}' );\ndefine( 'WP_SITEURL', WP_HOME . '/wp' );\n",
            host(&site)
        ),
    );
    let mut sidecar = Sidecar::start_configured(&site, &layout.sections(""), &[]).await;
    let mut mailbox = mailbox(&mut sidecar).await;
    let mail = mail_to(&sidecar, &mut mailbox, "ann@example.com").await;
    assert!(
        mail.contains("https://club.example.org/wp/wp-login.php?"),
        "{mail}"
    );
    let (succeeded, url, errors) = sidecar.output(&["webhook", "url", "3"]);
    assert!(
        succeeded && url.starts_with("https://club.example.org/portal/?"),
        "{url}{errors}"
    );
}

#[tokio::test]
async fn links_to_nowhere_are_a_failed_check() {
    let site = stale_site().await;
    let address = "https://club.example.org";
    for (options, status, said) in [
        ("", "failed", "localhost is each reader's own machine"),
        (
            "home = \"https://club.example.org\"",
            "failed",
            "set wordpress.home and wordpress.site_url",
        ),
        (
            "home = \"https://club.example.org\"\nsite_url = \"https://club.example.org\"",
            "ok",
            address,
        ),
        (
            "site_url = \"http://10.0.0.7\"",
            "failed",
            "is a private address",
        ),
    ] {
        let sections = format!(
            "[database]\nurl = \"{}\"\n[wordpress]\n{options}\n",
            site.url()
        );
        let sidecar = Sidecar::unstarted_with(&site, &sections).await;
        assert_check(&sidecar, "mail-links", status, said);
    }
    site.execute(
        "UPDATE wp_options SET option_value = 'https://one.example' WHERE option_name = 'siteurl'",
    )
    .await;
    let sections = format!(
        "[database]\nurl = \"{}\"\n[wordpress]\nhome = \"{address}\"\n",
        site.url()
    );
    let sidecar = Sidecar::unstarted_with(&site, &sections).await;
    assert_check(
        &sidecar,
        "mail-links",
        "failed",
        "the portal is at club.example.org",
    );
}

#[tokio::test]
async fn a_content_folder_that_is_not_known_is_no_all_clear() {
    let site = Site::new("71").await;
    site.execute("INSERT INTO wp_options (option_name, option_value) VALUES ('WPLANG', 'de_DE')")
        .await;
    let layout = Layout::of("plain", "", site.wordpress);
    layout.write("app/object-cache.php", "<?php\n");
    layout.write("app/languages/de_DE.mo", catalogue());
    let database = format!("[database]\nurl = \"{}\"\n", site.url());
    let sections = |content: &str| {
        format!(
            "{database}{}table_prefix = \"wp_\"\n{content}",
            layout.sections("")
        )
    };
    let named = format!("content = \"{}\"\n", layout.path("app").display());
    for (constant, option, object_cache, language) in [
        (
            "__DIR__ . '/app'",
            "",
            ("warning", "app/object-cache.php is there"),
            "ok",
        ),
        (
            "$_SERVER['DOCUMENT_ROOT'] . '/app'",
            "",
            (
                "warning",
                "WP_CONTENT_DIR, which depends on $_SERVER['DOCUMENT_ROOT']",
            ),
            "warning",
        ),
        (
            "$_SERVER['DOCUMENT_ROOT']",
            &named,
            ("warning", "app/object-cache.php is there"),
            "ok",
        ),
        (
            "__DIR__ . '/not-there'",
            "",
            ("warning", "is no directory"),
            "warning",
        ),
    ] {
        let line = format!("<?php\ndefine( 'WP_CONTENT_DIR', {constant} );\n");
        layout.write("wp-config.php", line);
        let sidecar = Sidecar::unstarted_with(&site, &sections(option)).await;
        assert_checks(
            &sidecar,
            &[
                ("object-cache", object_cache.0, object_cache.1),
                ("language", language, "de_DE"),
            ],
        );
    }
}

#[tokio::test]
async fn mails_follow_a_login_page_that_a_plugin_has_moved() {
    let site = Site::new("71").await;
    let plugins = r#"a:1:{i:0;s:33:"wps-hide-login/wps-hide-login.php";}"#;
    for (name, value) in [
        ("active_plugins", plugins),
        ("whl_page", "members-door"),
        ("permalink_structure", "/%postname%/"),
    ] {
        site.execute(&format!(
            "REPLACE INTO wp_options (option_name, option_value) VALUES ('{name}', '{value}')"
        ))
        .await;
    }
    let mut sidecar = Sidecar::start(&site).await;
    let mut mailbox = mailbox(&mut sidecar).await;
    let mail = mail_to(&sidecar, &mut mailbox, "ann@example.com").await;
    let door = "https://community.example.com/members-door/";
    assert!(mail.contains(&format!("\n{door}?")), "{mail}");
    assert!(!mail.contains("wp-login.php"), "{mail}");
    assert_check(&sidecar, "login-page", "ok", door);
    // What is set outright wins, and a reload applies it.
    sidecar.append_configuration("[mail]\nlogin_url = \"https://login.example.com/?in\"\n");
    sidecar.hang_up();
    sidecar.says("changed: mail.login_url").await;
    let mail = mail_to(&sidecar, &mut mailbox, "ben@example.com").await;
    assert!(mail.contains("https://login.example.com/?in&"), "{mail}");
}

#[tokio::test]
async fn a_plugin_whose_login_page_is_not_known_is_named() {
    let site = Site::new("71").await;
    let plugins = r#"a:1:{i:0;s:27:"sg-security/sg-security.php";}"#;
    for (name, value) in [
        ("active_plugins", plugins),
        ("sg_security_login_type", "custom"),
    ] {
        site.execute(&format!(
            "REPLACE INTO wp_options (option_name, option_value) VALUES ('{name}', '{value}')"
        ))
        .await;
    }
    let database = format!("[database]\nurl = \"{}\"\n", site.url());
    let sidecar = Sidecar::unstarted_with(&site, &database).await;
    assert_checks(
        &sidecar,
        &[
            ("login-page", "warning", "SiteGround Security has moved"),
            ("login-page", "warning", "mail.transport to \"wordpress\""),
        ],
    );
    let said = format!("{database}[mail]\nlogin_url = \"https://community.example.com/in/\"\n");
    let sidecar = Sidecar::unstarted_with(&site, &said).await;
    assert_check(
        &sidecar,
        "login-page",
        "ok",
        "https://community.example.com/in/",
    );
    let handed = format!("{database}[mail]\ntransport = \"wordpress\"\n");
    let sidecar = Sidecar::unstarted_with(&site, &handed).await;
    assert_check(&sidecar, "login-page", "ok", "sends no mails itself");
}
