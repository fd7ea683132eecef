<?php
// Makes a user with each of the default roles in the input (in base64), and answers with the rows.

require __DIR__ . '/site.php';
hash_cheaply();

$made = array();
foreach ( $input['roles'] as $number => $role ) {
	// update_option would put another one in its place.
	$wpdb->update( $wpdb->options, array( 'option_value' => base64_decode( $role ) ), array( 'option_name' => 'default_role' ) );
	wp_cache_flush();
	$form = array(
		'email'         => "role$number@example.com",
		'user_login'    => "role $number",
		'user_password' => 'secret',
		'first_name'    => '',
		'last_name'     => '',
	);
	$made[] = rows_of( create_from_form( $form ) );
}
answer( $made );
