<?php
/** The base configuration. define( 'DB_NAME', 'from_a_comment' ); */
define('WP_CACHE', true); // Added by a cache plugin
#define( 'DB_NAME', 'old' );
define( 'DB_NAME', 'site' );
define( "DB_USER", "site_user" );
define( 'DB_PASSWORD', 'it\'s "so" $ecret\\#' );
/* define( 'DB_HOST', 'elsewhere' ); */ define( 'DB_HOST', 'db.example:3307' );
define( 'DB_CHARSET', 'utf8mb4' ); define('DB_COLLATE', '');
define( 'AUTH_KEY', 'x<?php {$a} ?> /* // # <<<E "' );
define( 'MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT );
$note = "define( 'DB_NAME', 'in a string' );";
$table_prefix  = 'site1_';
if ( isset( $_SERVER['HTTP_X_FORWARDED_PROTO'] ) && $_SERVER['HTTP_X_FORWARDED_PROTO'] === 'https' ) { $_SERVER['HTTPS'] = 'on'; }
$host = isset( $_SERVER['HTTP_HOST'] ) ? $_SERVER['HTTP_HOST'] : 'localhost';
define( 'WP_CACHE_KEY_SALT', "{$host}:$table_prefix" );
const FLUENT_COMMUNITY_PORTAL_SLUG = 'community', WP_POST_REVISIONS = 0x10;
@ini_set( 'display_errors', 0 );
error_reporting( 0 );
define( 'WP_MEMORY_LIMIT', '256M' );
define( 'FS_METHOD', 'direct' );
define( 'DISALLOW_FILE_EDIT', TRUE );
define( 'EMPTY_TRASH_DAYS', -30 );
define( 'AUTOSAVE_INTERVAL', 5 * 60 );
define( 'DB_NAME', 'second' );

/* That's all, stop editing! Happy publishing. */

if ( ! defined( 'ABSPATH' ) ) {
	define( 'ABSPATH', __DIR__ . '/' );
}
require_once ABSPATH . 'wp-settings.php';
?>

