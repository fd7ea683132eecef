<?php
// What WordPress has stored of its own: scheduled events, options and transients; and what WP-Cron would run.

require __DIR__ . '/site.php';

answer(
	array(
		'ready'  => array_keys( array_merge( array(), ...array_values( wp_get_ready_cron_jobs() ) ) ),
		'names'  => $wpdb->get_col( "SELECT option_name FROM $wpdb->options WHERE option_name LIKE '%sidecar%' OR option_value LIKE '%sidecar%'" ),
		'routes' => array_values( array_filter( array_keys( rest_get_server()->get_routes() ), static fn( $route ) => false !== strpos( $route, 'sidecar' ) ) ),
	)
);
