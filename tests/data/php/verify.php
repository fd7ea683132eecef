<?php
// Whether PHP's own functions accept what WordPress 6.8 and later would find, and what they say of the hash's form.

foreach ( array( 'hash', 'sodium' ) as $extension ) {
	if ( ! extension_loaded( $extension ) ) {
		fwrite( STDERR, "PHP lacks $extension\n" );
		exit( 1 );
	}
}
$input  = json_decode( stream_get_contents( STDIN ), true, 512, JSON_THROW_ON_ERROR );
$hash   = substr( $input['hash'], strlen( '$wp' ) );
$typed  = trim( addslashes( $input['password'] ) );
$mac    = base64_encode( hash_hmac( 'sha384', $typed, 'wp-sha384', true ) );
$stored = explode( ':', $input['stored'] )[1];
$digest = sodium_crypto_generichash( $input['key'], 'wp_fast_hash_6.8+', 30 );
echo json_encode(
	array(
		'prefix'       => substr( $input['hash'], 0, 3 ),
		'password'     => password_verify( $mac, $hash ),
		'other'        => password_verify( $mac . 'x', $hash ),
		'needs_rehash' => password_needs_rehash( $hash, PASSWORD_BCRYPT ),
		'default_cost' => password_get_info( password_hash( '', PASSWORD_BCRYPT ) )['options']['cost'],
		'key'          => hash_equals( '$generic$' . sodium_bin2base64( $digest, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING ), $stored ),
	),
	JSON_THROW_ON_ERROR
);
