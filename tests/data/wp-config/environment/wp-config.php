<?php
define( 'DB_NAME', getenv( 'SITE_DB' ) );
define( 'DB_USER', $_ENV['SITE_USER'] ?? 'nobody' );
define( 'DB_HOST', getenv( 'SITE_HOST' ) ?: 'localhost' );
define( 'DB_CHARSET', $_SERVER['SITE_CHARSET'] ?? 'utf8mb4' );
define( 'DB_COLLATE', isset( $_ENV['SITE_EMPTY'] ) ? $_ENV['SITE_EMPTY'] : 'x' );
if ( getenv( 'SITE_SECRET_FILE' ) && is_readable( getenv( 'SITE_SECRET_FILE' ) ) ) {
	define( 'DB_PASSWORD', trim( file_get_contents( getenv( 'SITE_SECRET_FILE' ) ) ) );
} else {
	define( 'DB_PASSWORD', getenv( 'SITE_PASSWORD' ) );
}
define( 'ABSENT', getenv( 'SITE_NOT_THERE' ) );
define( 'ABSENT_TOO', $_ENV['SITE_NOT_THERE'] ?? null );
define( 'WP_DEBUG', filter_var( getenv( 'SITE_DEBUG' ), FILTER_VALIDATE_BOOLEAN ) );
define( 'ZERO', (bool) getenv( 'SITE_ZERO' ) );
define( 'HOME_FOLDER', getenv( 'HOME' ) );
$host = $_SERVER['HTTP_HOST'] ?? 'www.example.org';
define( 'WP_SITEURL', 'https://' . $host );
putenv( 'SITE_LATE=late' );
$_ENV['SITE_LATER'] = 'later';
define( 'LATE', getenv( 'SITE_LATE' ) . $_ENV['SITE_LATER'] );
$_SERVER['HTTPS'] = 'on';
define( 'FORCED', $_SERVER['HTTPS'] === 'on' );
if ( $url = getenv( 'DATABASE_URL' ) ) {
	$parts = parse_url( $url );
	define( 'URL_NAME', substr( $parts['path'], 1 ) );
	define( 'URL_HOST', $parts['host'] . ':' . $parts['port'] );
}
foreach ( [ 'SITE_DB', 'SITE_USER' ] as $name ) {
	$found[ $name ] = getenv( $name );
}
unset( $found, $name );
$table_prefix = getenv( 'SITE_PREFIX' ) !== false ? getenv( 'SITE_PREFIX' ) : 'env_';
require_once ABSPATH . 'wp-settings.php';
