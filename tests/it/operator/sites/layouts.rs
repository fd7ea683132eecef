//! Where WordPress's files are, and what they say.

use super::{
    GERMAN, Layout, assert_check, assert_checks, catalogue, host, mail_to, mailbox, stale_site,
};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

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
