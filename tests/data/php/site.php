<?php
// Loads the WordPress in the folder that WORDPRESS_ROOT names, as a request to it would. The input of a script is JSON on
// its standard input, the answer JSON on its standard output.

foreach ( array( 'intl', 'mbstring', 'mysqli', 'sodium' ) as $extension ) {
	if ( ! extension_loaded( $extension ) ) {
		fwrite( STDERR, "PHP lacks $extension: install it with `apt-get install php-mysql php-intl php-mbstring`\n" );
		exit( 1 );
	}
}
ini_set( 'display_errors', 'stderr' );
$input = json_decode( stream_get_contents( STDIN ), true, 512, JSON_THROW_ON_ERROR );
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REQUEST_METHOD']  = 'GET';
$_SERVER['REQUEST_URI']     = $input['path'] ?? '/';
$_SERVER['HTTP_HOST']       = $input['host'] ?? getenv( 'WORDPRESS_HOST' );
if ( ! empty( $input['https'] ) ) {
	$_SERVER['HTTPS'] = 'on';
}
require getenv( 'WORDPRESS_ROOT' ) . '/wp-load.php';

function answer( $value ) {
	echo json_encode( $value, JSON_THROW_ON_ERROR );
}

// For scripts that make many users: the price of a hash is PHP's business. Heard from WordPress 6.8 on.
function hash_cheaply() {
	add_filter( 'wp_hash_password_options', static fn() => array( 'cost' => 4 ) );
}

// Answers a posted form as the webhook's handler does, up to the new user. Null if it would not get as far, or would
// have to think up a name.
function create_from_form( array $form ) {
	$posted = wp_slash( $form );
	$login  = sanitize_user( $posted['user_login'] );
	if ( ! is_email( $posted['email'] ) ) {
		return new WP_Error( 'email', 'Email is required' );
	}
	if ( get_user_by( 'email', $posted['email'] ) ) {
		return null;
	}
	if ( ! $login || username_exists( $login ) ) {
		return null;
	}
	return wp_insert_user(
		array_filter(
			array(
				'role'       => get_option( 'default_role', 'subscriber' ),
				'user_email' => $posted['email'],
				'user_login' => $login,
				'user_pass'  => $posted['user_password'],
				'first_name' => $posted['first_name'],
				'last_name'  => $posted['last_name'],
			)
		)
	);
}

// The rows of a user as the database has them: the names of the columns and the values, then the metadata in order.
function rows_of( $id ) {
	global $wpdb;
	$meta = "SELECT meta_key, meta_value FROM $wpdb->usermeta WHERE user_id = %d ORDER BY umeta_id";
	return array(
		'user' => $wpdb->get_row( $wpdb->prepare( "SELECT * FROM $wpdb->users WHERE ID = %d", $id ), ARRAY_A ),
		'meta' => $wpdb->get_results( $wpdb->prepare( $meta, $id ), ARRAY_N ),
	);
}
