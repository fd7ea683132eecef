<?php
// Makes a user from each form (values in base64) and answers with the rows; with an error's text; with 0 where WordPress
// says neither; and with null where the form is not for wp_insert_user.

require __DIR__ . '/site.php';
hash_cheaply();

$made = array();
foreach ( $input['forms'] as $form ) {
	$id = create_from_form( array_map( 'base64_decode', $form ) );
	if ( is_wp_error( $id ) ) {
		$made[] = $id->get_error_message();
	} else {
		if ( $id && ! empty( $input['mail'] ) ) {
			get_password_reset_key( get_userdata( $id ) );
		}
		$made[] = $id ? rows_of( $id ) : $id;
	}
}
answer( $made );
