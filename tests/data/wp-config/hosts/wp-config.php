<?php
$debian_server = preg_replace( '/:.*/', '', $_SERVER['HTTP_HOST'] ?? 'localhost' );
$debian_file = '/etc/wordpress/config-' . $debian_server . '.php';
if ( file_exists( $debian_file ) ) {
	require_once $debian_file;
	define( 'DEBIAN_FILE', $debian_file );
}
if ( ! defined( 'DB_NAME' ) )
	define( 'DB_NAME', 'wordpress' );
if ( ! defined( 'DB_USER' ) ) {
	define( 'DB_USER', 'wordpress' );
}
define( 'DB_HOST', 'localhost' );
$domain = strtolower( $_SERVER['SERVER_NAME'] ?? 'x' );
$protocol = 'https://';
define( 'WP_HOME', $protocol . $domain );
define( 'WP_SITEURL', WP_HOME . '/wp' );
define( 'WP_CONTENT_URL', $protocol . 'static.example.org' );
define( 'DOMAIN_CURRENT_SITE', $_SERVER['HTTP_HOST'] ?? '' );
$file = sys_get_temp_dir() . '/no-such-file.php';
if ( is_file( $file ) ) include $file;
define( 'DB_PASSWORD', $file );
if ( ! isset( $table_prefix ) ) {
	$table_prefix = 'wp_';
}
