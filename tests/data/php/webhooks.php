<?php
// Gives the first user an application password, and reads values of webhook records as FluentCommunity does.

require __DIR__ . '/site.php';

$read = static function ( $value ) {
	$record = maybe_unserialize( $value );
	return array(
		'record'      => $record,
		'same_again'  => serialize( $record ) === $value,
		'title_again' => sanitize_text_field( $record['title'] ) === $record['title'],
	);
};

answer(
	array(
		'password' => WP_Application_Passwords::create_new_application_password( 1, array( 'name' => uniqid() ) )[0],
		'read'     => array_map( $read, $input['values'] ),
		'titles'   => array_map( 'sanitize_text_field', $input['titles'] ),
	)
);
