<?php
// Makes a second network in an installation that has one, still without a site.

require __DIR__ . '/site.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

$done = populate_network( 2, $input['domain'], 'admin@example.com', 'Second', '/', true );
answer( is_wp_error( $done ) ? $done->get_error_message() : true );
