<?php
// What WordPress has stored of its own: scheduled events, options and transients; what WP-Cron would run, and the rows that were read for it.

require __DIR__ . '/site.php';

answer(
	array(
		'ready' => array_keys( array_merge( array(), ...array_values( wp_get_ready_cron_jobs() ) ) ),
		// By this whole request.
		'reads' => array_sum( array_column( $wpdb->get_results( "SHOW SESSION STATUS LIKE 'Handler\_read%'", ARRAY_A ), 'Value' ) ),
		'names' => $wpdb->get_col( "SELECT option_name FROM $wpdb->options WHERE option_name LIKE '%sidecar%' OR option_value LIKE '%sidecar%'" ),
	)
);
