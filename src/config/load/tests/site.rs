//! Tests what WordPress's own files add to the options.

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::config::Host;

/// An outline of Debian's loader: the settings are in a file chosen by the request's host name.
const DEBIAN: &str = "<?php
$debian_server = preg_replace('/:.*/', \"\", $_SERVER['HTTP_HOST']);
if (file_exists($debian_file)) {
    require_once($debian_file);
    define('DEBIAN_FILE', $debian_file);
}
if (!defined('DB_NAME'))
    define('DB_NAME', 'wordpress');
if (!defined('DB_USER'))
    define('DB_USER', 'wordpress');
if (!defined('DB_HOST'))
    define('DB_HOST', 'localhost');
if (!isset($table_prefix)) {
    $table_prefix = 'wp_';
}
require_once(ABSPATH . 'wp-settings.php');
";

/// An outline of the official container image's file.
const CONTAINER: &str = "<?php
define( 'DB_NAME', getenv_docker('WORDPRESS_DB_NAME', 'wordpress') );
define( 'DB_USER', getenv_docker('WORDPRESS_DB_USER', 'example username') );
define( 'DB_PASSWORD', getenv_docker('WORDPRESS_DB_PASSWORD', 'example password') );
define( 'DB_HOST', getenv_docker('WORDPRESS_DB_HOST', 'mysql') );
$table_prefix = getenv_docker('WORDPRESS_TABLE_PREFIX', 'wp_');
";

const PLAIN: &str = "<?php
define( 'DB_NAME', 'site' );
define( 'DB_USER', 'keeper' );
define( 'DB_PASSWORD', 'hunter2' );
define( 'DB_HOST', 'db.example:3307' );
$table_prefix = 'x_';
";

fn site(wp_config: &str, version: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("wp-config.php"), wp_config).unwrap();
    fs::create_dir(folder.path().join("wp-includes")).unwrap();
    let content = format!("<?php $wp_version = '{version}';");
    fs::write(folder.path().join("wp-includes/version.php"), content).unwrap();
    let root = folder.path().display().to_string();
    (folder, root)
}

#[test]
fn wordpress_root_alone_is_enough() {
    let (_folder, root) = site(PLAIN, "6.1.9");
    let config = load(Some(&format!("[wordpress]\nroot = {root:?}")), &[], &[]).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    let Target::Parts {
        host,
        user,
        password,
        database,
        tls,
    } = config.database.target
    else {
        panic!("the target comes from wp-config.php");
    };
    let expected = Host::Tcp {
        host: "db.example".to_owned(),
        port: 3307,
    };
    assert_eq!(
        (host, user.as_str(), database.as_str(), tls),
        (expected, "keeper", "site", false)
    );
    assert_eq!(password.expose_secret(), "hunter2");
    assert_eq!(config.wordpress.table_prefix, "x_");
    assert_eq!(config.wordpress.version.as_deref(), Some("6.1.9"));
    assert!(
        config
            .wordpress
            .version_source
            .unwrap()
            .ends_with("wp-includes/version.php")
    );
    assert_eq!(config.wordpress.blog, None);
}

/// Deployments that are switched by a link: what PHP resolves is the release of the day.
#[test]
fn the_sites_folders_follow_a_link_in_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    let wp = base.join("releases/1/web/wp");
    fs::create_dir_all(wp.join("wp-includes")).unwrap();
    fs::create_dir_all(base.join("releases/1/web/app")).unwrap();
    fs::write(
        wp.join("wp-includes/version.php"),
        "<?php $wp_version = '7.1';",
    )
    .unwrap();
    std::os::unix::fs::symlink("releases/1", base.join("current")).unwrap();
    let elsewhere = base.join("shared/languages").display().to_string();
    let computed = "define('WP_CONTENT_DIR', __DIR__ . '/app'); \
        define('WPMU_PLUGIN_DIR', WP_CONTENT_DIR . '/mu-plugins');";
    for (constants, content, languages, must_use) in [
        (
            "",
            "current/web/wp/wp-content",
            "current/web/wp/wp-content/languages",
            "current/web/wp/wp-content/mu-plugins",
        ),
        (
            computed,
            "current/web/app",
            "current/web/app/languages",
            "current/web/app/mu-plugins",
        ),
        (
            &format!("{computed} define('WP_LANG_DIR', '{elsewhere}');"),
            "current/web/app",
            "shared/languages",
            "current/web/app/mu-plugins",
        ),
    ] {
        fs::write(
            base.join("releases/1/web/wp-config.php"),
            format!("{PLAIN}{constants}"),
        )
        .unwrap();
        let root = base.join("current/web/wp").display().to_string();
        let wordpress = load(None, &[], &[("wordpress.root", &root)])
            .unwrap()
            .wordpress;
        assert_eq!(
            wordpress.version_file,
            Some(base.join("current/web/wp/wp-includes/version.php"))
        );
        assert_eq!(wordpress.content.folder, Some(base.join(content)));
        assert_eq!(wordpress.content.languages(), Some(base.join(languages)));
        let must_use = base.join(must_use).display().to_string();
        assert_eq!(wordpress.content.must_use_plugins, must_use);
    }
}

#[test]
fn options_win_over_wp_config_even_with_the_default_value() {
    let (_folder, root) = site(CONTAINER, "not a version");
    let overrides = [
        URL,
        ("wordpress.root", &root),
        ("wordpress.table_prefix", "wp_"),
        ("wordpress.version", "7.1"),
    ];
    let config = load(None, &[], &overrides).unwrap();
    assert_eq!(config.wordpress.table_prefix, "wp_");
    assert_eq!(config.wordpress.version.as_deref(), Some("7.1"));
    assert!(matches!(config.database.target, Target::Url(_)));

    let more = "define('CUSTOM_USER_TABLE', 'a'); define('CUSTOM_USER_META_TABLE', 'b');
        define('FLUENT_COMMUNITY_PORTAL_SLUG', 'club'); define('WP_HOME', f()); define('WP_SITEURL', 'https://x.example');";
    let (_folder, root) = site(&format!("{PLAIN}{more}"), "7.1");
    let overrides = [
        ("wordpress.root", root.as_str()),
        ("wordpress.users_table", "c"),
    ];
    let wordpress = load(None, &[], &overrides).unwrap().wordpress;
    assert_eq!(wordpress.users_table.as_deref(), Some("c"));
    assert_eq!(wordpress.usermeta_table.as_deref(), Some("b"));
    assert_eq!(wordpress.portal_slug.as_deref(), Some("club"));
    assert_eq!(wordpress.site_url.as_deref(), Some("https://x.example"));
    assert_eq!(wordpress.home_url, None);
    assert!(
        wordpress.notes[0].contains("sets WP_HOME, which depends on f()"),
        "{:?}",
        wordpress.notes
    );
}

/// On a network, WordPress removes the filters of `WP_HOME` and `WP_SITEURL`.
#[test]
fn addresses_come_from_the_options_or_on_single_sites_from_the_constants() {
    let constants =
        "define('WP_HOME', 'https://a.example/'); define('WP_SITEURL', WP_HOME . 'wp');";
    let network = format!("{constants}{NETWORK}");
    for (code, home, expected) in [
        (
            constants,
            "",
            (Some("https://a.example/"), Some("https://a.example/wp")),
        ),
        (
            constants,
            "https://b.example",
            (Some("https://b.example"), Some("https://a.example/wp")),
        ),
        (&network, "", (None, None)),
        (
            &network,
            "https://b.example",
            (Some("https://b.example"), None),
        ),
        (
            "define('WP_HOME', f());",
            "https://b.example",
            (Some("https://b.example"), None),
        ),
    ] {
        let (_folder, root) = site(&format!("{PLAIN}{code}"), "7.1");
        let overrides = [("wordpress.root", root.as_str()), ("wordpress.home", home)];
        let wordpress = load(None, &[], &overrides).unwrap().wordpress;
        let found = (wordpress.home_url.as_deref(), wordpress.site_url.as_deref());
        assert_eq!(found, expected, "{code} {home}");
        assert_eq!(wordpress.notes, [""; 0]);
    }
}

/// What `wp-admin/includes/network.php` tells an administrator to write.
const NETWORK: &str = "define( 'MULTISITE', true );
define( 'SUBDOMAIN_INSTALL', false );
define( 'DOMAIN_CURRENT_SITE', 'example.org' );
define( 'PATH_CURRENT_SITE', '/wp/' );
define( 'SITE_ID_CURRENT_SITE', 1 );
define( 'BLOG_ID_CURRENT_SITE', 1 );
";

#[test]
fn the_site_of_a_network_is_the_main_one_or_the_one_that_is_named() {
    for (code, given, expected) in [
        (NETWORK, "", Some((1, "x_"))),
        (NETWORK, "7", Some((7, "x_7_"))),
        (
            "define('MULTISITE', true); define('BLOG_ID_CURRENT_SITE', '3');",
            "",
            Some((3, "x_3_")),
        ),
        ("define('MULTISITE', true);", "", Some((1, "x_"))),
        ("define('MULTISITE', f());", "2", Some((2, "x_2_"))),
        // A leftover of WordPress MU.
        ("define('VHOST', 'no');", "", Some((1, "x_1_"))),
        ("", "", None),
    ] {
        let (_folder, root) = site(&format!("{PLAIN}{code}"), "7.1");
        let overrides = [
            ("wordpress.root", root.as_str()),
            ("wordpress.blog_id", given),
        ];
        let blog = load(None, &[], &overrides).unwrap().wordpress.blog;
        let found = blog.as_ref().map(|blog| (blog.id, blog.prefix.as_str()));
        assert_eq!(found, expected, "{code} {given}");
    }
    // Without the files, only the option indicates a network.
    for (given, prefix) in [("1", "wp_"), ("2", "wp_2_")] {
        let blog = load(None, &[], &[URL, ("wordpress.blog_id", given)])
            .unwrap()
            .wordpress
            .blog;
        assert_eq!(blog.unwrap().prefix, prefix);
    }
    let (_folder, root) = site(&format!("{PLAIN}{NETWORK}"), "7.1");
    let blog = load(None, &[], &[("wordpress.root", &root)])
        .unwrap()
        .wordpress
        .blog;
    let address = blog.unwrap().network.unwrap();
    assert_eq!(
        (address.id, &*address.domain, &*address.path),
        (1, "example.org", "/wp/")
    );
}

#[test]
fn a_network_that_cannot_be_served_is_refused() {
    for (code, given, what) in [
        ("", "2", "declares a single site"),
        (NETWORK, "0", "is not a whole number in range"),
        (
            "define('MULTISITE', true); define('BLOG_ID_CURRENT_SITE', f());",
            "",
            "sets BLOG_ID_CURRENT_SITE, which depends on f()",
        ),
    ] {
        let (_folder, root) = site(&format!("{PLAIN}{code}"), "7.1");
        let overrides = [
            ("wordpress.root", root.as_str()),
            ("wordpress.blog_id", given),
        ];
        let found = problems("", &[], &overrides);
        assert_eq!(
            (found.len(), &*found[0].key),
            (1, "wordpress.blog_id"),
            "{found:?}"
        );
        assert!(found[0].what.contains(what), "{found:?}");
    }
}

#[test]
fn a_computed_wp_config_says_which_options_to_set() {
    for (content, key, what) in [
        (
            CONTAINER,
            "database.url",
            "line 5 sets DB_HOST, which depends on getenv_docker(); line 3 sets DB_USER, which",
        ),
        (
            CONTAINER,
            "wordpress.table_prefix",
            "line 6 sets $table_prefix, which depends on getenv_docker()",
        ),
        (
            DEBIAN,
            "database.url",
            "the file does not set DB_PASSWORD (a file that is included on line 4 may set it)",
        ),
        (
            DEBIAN,
            "database.url",
            "line 8 sets DB_NAME, which depends on a file that is included (line 4)",
        ),
        (
            DEBIAN,
            "wordpress.table_prefix",
            "line 14 sets $table_prefix, which depends on a file that is included (line 4)",
        ),
        (
            "<?php define('DB_HOST', 'x:1:2:y');",
            "database.url",
            "DB_HOST is \"x:1:2:y\", which is not host",
        ),
        (
            "<?php $table_prefix = 'a-b';",
            "wordpress.table_prefix",
            "$table_prefix is \"a-b\", which is not a table name",
        ),
        (
            "<?php define('CUSTOM_USER_TABLE', f());",
            "wordpress.users_table",
            "sets CUSTOM_USER_TABLE, which depends on f()",
        ),
        (
            "<?php define('MULTISITE', f());",
            "wordpress.root",
            "sets MULTISITE, which depends on f()",
        ),
        (
            "<?php define('DB_CHARSET', 'latin1');",
            "wordpress.root",
            "DB_CHARSET is \"latin1\"",
        ),
    ] {
        let (_folder, root) = site(content, "7.1");
        let error = load(None, &[], &[("wordpress.root", &root)]).unwrap_err();
        let found = error.problems.iter().find(|problem| problem.key == key);
        let found = found.unwrap_or_else(|| panic!("{key}: {error}"));
        assert!(found.what.contains(what), "{what}: {found}");
        assert!(found.what.contains("wp-config.php: "), "{found}");
        assert!(
            key == "wordpress.root" || found.remedy.contains(&format!("set {key}")),
            "{found}"
        );
    }
}

#[test]
fn without_a_database_both_ways_to_name_one_are_shown() {
    let found = problems("", &[], &[]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].key, "database.url");
    assert!(found[0].to_string().contains("neither is wordpress.root"));
    assert!(found[0].remedy.contains("mysql://") && found[0].remedy.contains("wordpress.root"));
}

#[test]
fn a_bad_root_is_one_problem_not_several() {
    let found = problems("", &[], &[("wordpress.root", "/missing")]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        found[0].what,
        "\"/missing\" does not exist (from the command line)"
    );
}
