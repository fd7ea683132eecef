<?php
// What WordPress has stored of its own: scheduled events, options and transients; and what WP-Cron would run.

require __DIR__ . '/site.php';

answer(
	array(
		'ready' => array_keys( array_merge( array(), ...array_values( wp_get_ready_cron_jobs() ) ) ),
		'names' => $wpdb->get_col( "SELECT option_name FROM $wpdb->options WHERE option_name LIKE '%sidecar%' OR option_value LIKE '%sidecar%'" ),
	)
);
