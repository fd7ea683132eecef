<?php
// Lets WordPress send its own welcome mail, with the reset key of the input.

require __DIR__ . '/site.php';

add_filter( 'random_password', static fn() => $input['key'] );
$failed = null;
add_action(
	'wp_mail_failed',
	static function ( $error ) use ( &$failed ) {
		$failed = $error->get_error_message();
	}
);
wp_new_user_notification( $input['id'], null, 'user' );
answer( $failed );
