//! Where mails lead.

use super::{Layout, assert_check, assert_checks, catalogue, mail_to, mailbox, stale_site};
use crate::harness::sidecar::Sidecar;
use crate::harness::site::Site;

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
