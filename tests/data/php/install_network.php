<?php
// Makes a single site the main site of a network, as wp-admin/network.php does. That no name server knows the subdomains of
// a test is no matter.

define( 'WP_INSTALLING_NETWORK', true );
require __DIR__ . '/site.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

foreach ( $wpdb->tables( 'ms_global' ) as $name => $table ) {
	$wpdb->$name = $table;
}
install_network();
add_filter( 'pre_option_permalink_structure', static fn() => '/' );
$done = populate_network( 1, $_SERVER['HTTP_HOST'], 'admin@example.com', 'Network', '/', ! empty( $input['subdomains'] ) );
answer( is_wp_error( $done ) && 'no_wildcard_dns' !== $done->get_error_code() ? $done->get_error_message() : true );
