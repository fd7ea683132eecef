<?php
defined( 'ABSPATH' ) || exit;
define( 'DB_NAME', 'club' );
define( 'DB_PASSWORD', 'pw' );
define( 'WP_CACHE', true );
$table_prefix = 'two_';
if ( defined( 'WP_CACHE' ) ) {
	return;
}
define( 'DB_HOST', 'never' );
