use super::*;

/// What an installation looks like after years of plugins and hosters.
const LIVED_IN: &str = r#"<?php
/** The base configuration. define( 'DB_NAME', 'from_a_comment' ); */
define('WP_CACHE', true); // Added by a cache plugin
#define( 'DB_NAME', 'old' );
define( 'DB_NAME', 'site' );
define( "DB_USER", "site_user" );
define( 'DB_PASSWORD', 'it\'s "so" $ecret\\#' );
/* define( 'DB_HOST', 'elsewhere' ); */ define( 'DB_HOST', 'db.example:3307' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'AUTH_KEY', 'x<?php {$a} ?> /* // # <<<E "' );
define( 'MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT );
$note = "define( 'DB_NAME', 'in a string' ); {$_SERVER["HTTP_HOST"]}";
$table_prefix = 'site1_';
if ( $_SERVER['HTTP_X_FORWARDED_PROTO'] === 'https' ) { $_SERVER['HTTPS'] = 'on'; }
define( 'WP_HOME', 'https://' . $_SERVER['HTTP_HOST'] );
define( 'WP_SITEURL', 'https://' . 'example.com' );
const FLUENT_COMMUNITY_PORTAL_SLUG = 'community';
if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';
define( 'CUSTOM_USER_TABLE', 'shared_users' );
"#;

fn config(content: &str) -> WpConfig {
    WpConfig::of(content.as_bytes(), &BTreeMap::new())
}

#[test]
fn a_lived_in_file_tells_everything_it_says_in_literals() {
    let config = config(LIVED_IN);
    for (name, text) in [
        ("DB_NAME", "site"),
        ("DB_USER", "site_user"),
        ("DB_PASSWORD", r#"it's "so" $ecret\#"#),
        ("DB_HOST", "db.example:3307"),
        ("$table_prefix", "site1_"),
        ("WP_SITEURL", "https://example.com"),
        ("FLUENT_COMMUNITY_PORTAL_SLUG", "community"),
        ("CUSTOM_USER_TABLE", "shared_users"),
    ] {
        assert_eq!(config.text(name), Ok(Some(text.to_owned())), "{name}");
    }
    assert_eq!(
        config.text("WP_HOME"),
        Err("line 15 sets WP_HOME, which depends on $_SERVER['HTTP_HOST']".to_owned())
    );
    assert_eq!(config.text("CUSTOM_USER_META_TABLE"), Ok(None));
    assert!(config.wants_tls());
    assert_eq!(config.is_multisite(), Ok(false));
}

/// WordPress has taken the prefix by then.
#[test]
fn what_comes_after_wordpress_changes_no_prefix() {
    let start = "require ABSPATH . 'wp-settings.php';";
    let tail = "function off() { return false; } add_filter('xmlrpc_enabled', 'off'); $table_prefix = 'late_';";
    for code in [
        format!("$table_prefix = 'wp_'; {start} {tail}"),
        format!("$table_prefix = 'wp_'; if ($_GET) {{ {start} }} else {{ {start} }} {tail}"),
        format!("$table_prefix = 'wp_'; {start} @include '/opt/host/x.php'; {start}"),
    ] {
        let found = config(&format!("<?php {code}")).text("$table_prefix");
        assert_eq!(found, Ok(Some("wp_".to_owned())), "{code}");
    }
    for code in [
        format!("$table_prefix = 'wp_'; {tail} {start}"),
        format!("$table_prefix = 'wp_'; if ($_GET) {{ {start} }} {tail}"),
        format!(
            "if ($_GET) {{ $table_prefix = 'a_'; {start} }} else {{ $table_prefix = 'b_'; {start} }}"
        ),
    ] {
        let found = config(&format!("<?php {code}")).text("$table_prefix");
        assert_ne!(found, Ok(Some("wp_".to_owned())), "{code}");
    }
}

#[test]
fn every_prefix_of_a_file_is_read_without_panic() {
    for end in 0..LIVED_IN.len() {
        read_php(&LIVED_IN.as_bytes()[..end]);
    }
}

/// What nobody writes by hand ends soon, and without exhausting the stack.
#[test]
fn hostile_files_end_soon() {
    let started = std::time::Instant::now();
    for (unit, times) in [
        ("(", 40_000),
        ("\"{$", 30_000),
        ("if (1) {", 15_000),
        (
            "if ($_GET['a']) { $b = 1; } else { $b = [$b, $b]; }\n",
            1_000,
        ),
        ("$a = [$a, $a]; $b .= $b . 'x';\n", 1_500),
        ("function f() { f(); f(); f(); } f();\n", 200),
        ("!", 50_000),
        ("<?php 'a", 10_000),
    ] {
        read_php(format!("<?php {}", unit.repeat(times)).as_bytes());
    }
    let sum = format!("<?php define('A', 'x'{});", " . 'y'".repeat(20_000));
    assert!(config(&sum).required_text("A").is_err());
    assert!(started.elapsed().as_secs() < 60);
}

#[test]
fn what_the_file_does_not_tell_is_explained() {
    for (content, why) in [
        (
            "<?php\n\ndefine('A', getenv('A'));",
            "line 3 sets A, which depends on the variable A, which the daemon's environment does not have",
        ),
        (
            "<?php define('A', \"x{$_GET['y']}\");",
            "line 1 sets A, which depends on $_GET['y']",
        ),
        (
            "<?php if ($_GET['l']) {\ndefine('A', 1); } else { define('A', 2); }",
            "line 2 sets A, which depends on $_GET['l'] (line 1)",
        ),
        (
            "<?php include $f;\nif (!defined('A')) define('A', 1);",
            "line 2 sets A, which depends on a file that is included (line 1)",
        ),
        (
            "<?php\nif (1 {",
            "the file does not set A (code that the daemon does not understand on line 2 may set it)",
        ),
        ("<?php", "the file does not set A"),
        (
            "<?php\ninclude $f;",
            "the file does not set A (a file that is included on line 2 may set it)",
        ),
    ] {
        let found = config(content).required_text("A").unwrap_err();
        assert!(found.starts_with(why), "{content}: {found}");
    }
}

/// A variable that the file itself has set says nothing about the environment that the daemon has.
#[test]
fn the_files_own_variables_are_no_proof_of_phps_environment() {
    let behind_proxy = "if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') { $_SERVER['HTTPS'] = 'on'; } \
        $scheme = ($_SERVER['HTTPS'] ?? '') === 'on' ? 'https' : 'http';";
    for own in [
        behind_proxy,
        "putenv('OWN=1'); $own = getenv('OWN');",
        "$_ENV['OWN'] = '1'; $own = $_ENV['OWN'];",
        "$_SERVER['OWN'] = '1'; $own = $_SERVER['OWN'];",
    ] {
        let text = format!("<?php {own} $table_prefix = getenv('TABLE_PREFIX') ?: 'wp_';");
        let found = config(&text).required_text("$table_prefix").unwrap_err();
        let why = "the variable TABLE_PREFIX, which the daemon's environment does not have";
        assert!(found.contains(why), "{own}: {found}");
        // One that is there tells that the other one is not there for PHP, either.
        let environment = BTreeMap::from([("THERE".to_owned(), "1".to_owned())]);
        let text = format!("{text} $there = getenv('THERE');");
        let prefix = WpConfig::of(text.as_bytes(), &environment).required_text("$table_prefix");
        assert_eq!(prefix.as_deref(), Ok("wp_"), "{own}");
    }
}

#[test]
fn a_network_is_recognised_as_is_multisite_recognises_it() {
    for (code, expected) in [
        ("", Some(false)),
        ("define('MULTISITE', true);", Some(true)),
        ("define('MULTISITE', 1);", Some(true)),
        ("define('MULTISITE', 'yes');", Some(true)),
        ("define('MULTISITE', '0');", Some(false)),
        (
            "define('MULTISITE', false); define('SUNRISE', true);",
            Some(false),
        ),
        ("define('SUBDOMAIN_INSTALL', false);", Some(true)),
        ("define('WP_ALLOW_MULTISITE', true);", Some(false)),
        ("define('MULTISITE', f());", None),
    ] {
        let config = config(&format!("<?php {code}"));
        assert_eq!(config.is_multisite().ok(), expected, "{code}");
    }
}

#[test]
fn tls_is_wanted_when_the_client_flags_say_so() {
    for (flags, expected) in [
        ("MYSQLI_CLIENT_SSL", true),
        ("\\MYSQLI_CLIENT_SSL|MYSQLI_CLIENT_COMPRESS", true),
        ("2048", true),
        ("32", false),
        ("MYSQLI_CLIENT_COMPRESS", false),
    ] {
        let config = config(&format!("<?php define('MYSQL_CLIENT_FLAGS', {flags});"));
        assert_eq!(config.wants_tls(), expected, "{flags}");
    }
}

#[test]
fn the_file_is_looked_for_where_wordpress_looks() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("site");
    let open = |root: &Path| WpConfig::open(root, &BTreeMap::new());
    let refused = |root: &Path| open(root).map(|_| ()).unwrap_err().what;

    assert_eq!(refused(&root), "does not exist");
    fs::create_dir(&root).unwrap();
    assert!(refused(&root).starts_with("has no wp-config.php"));

    let above = folder.path().join("wp-config.php");
    fs::write(&above, "<?php define('A', 'above');").unwrap();
    let text = || open(&root).unwrap().text("A").unwrap().unwrap();
    assert_eq!(text(), "above");
    fs::write(folder.path().join("wp-settings.php"), "").unwrap();
    assert!(refused(&root).starts_with("has no wp-config.php"));
    assert_eq!(refused(&above), "is not a directory");

    fs::write(root.join("wp-config.php"), "<?php define('A', 'inside');").unwrap();
    assert_eq!(text(), "inside");
    fs::remove_file(root.join("wp-config.php")).unwrap();
    fs::create_dir(root.join("wp-config.php")).unwrap();
    assert!(refused(&root).contains("cannot be read"));
}
