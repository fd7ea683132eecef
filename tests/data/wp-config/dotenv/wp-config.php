<?php
require_once __DIR__ . '/vendor/autoload.php';
use Dotenv\Dotenv;
try {
	Dotenv::createImmutable( __DIR__ )->load();
} catch ( Exception $e ) {
	die( 'no .env' );
}
define( 'DB_NAME', $_ENV['DB_NAME'] );
define( 'OUTSIDE', $_ENV['OUTSIDE'] );
define( 'WP_HOME', $_ENV['WP_HOME'] ?? 'https://localhost' );
define( 'DB_HOST', $_ENV['DB_HOST'] ?? 'localhost' );
define( 'BY_GETENV', getenv( 'DB_NAME' ) );
$table_prefix = $_ENV['DB_PREFIX'] ?? 'dot_';
require_once ABSPATH . 'wp-settings.php';
