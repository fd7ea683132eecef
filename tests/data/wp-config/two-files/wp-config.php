<?php
if ( file_exists( __DIR__ . '/wp-config-local.php' ) ) {
	require __DIR__ . '/wp-config-local.php';
} else {
	define( 'DB_NAME', 'live' );
	define( 'DB_PASSWORD', 'live' );
}
$settings = require dirname( __FILE__ ) . '/config/settings.php';
define( 'DB_USER', $settings['user'] );
define( 'WP_HOME', $settings['home'] );
( include_once 'config/database.php' ) || die( 'no database' );
include_once __DIR__ . '/config/database.php';
defined( 'DB_HOST' ) or define( 'DB_HOST', 'localhost' );
defined( 'WP_DEBUG' ) || define( 'WP_DEBUG', false );
if ( ! defined( 'WP_CACHE' ) ) define( 'WP_CACHE', false );
if ( ! isset( $table_prefix ) ) $table_prefix = 'wp_';
require_once ABSPATH . 'wp-settings.php';
