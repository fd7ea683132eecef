<?php
// Makes a single site the main site of a network, as wp-admin/network.php does.

define( 'WP_INSTALLING_NETWORK', true );
require __DIR__ . '/site.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

foreach ( $wpdb->tables( 'ms_global' ) as $name => $table ) {
	$wpdb->$name = $table;
}
install_network();
add_filter( 'pre_option_permalink_structure', static fn() => '/' );
$done = populate_network( 1, $_SERVER['HTTP_HOST'], 'admin@example.com', 'Network', '/', false );
answer( is_wp_error( $done ) ? $done->get_error_message() : $done );
