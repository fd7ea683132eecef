<?php
/**
 * Prints, as JSON, the constants and global variables that a wp-config.php defines: judge.php CONFIG ROOT REQUEST.
 * ROOT is the folder of WordPress, REQUEST a JSON object of what the web server adds to $_SERVER.
 */

error_reporting( E_ERROR );
ini_set( 'display_errors', 'stderr' );

( function ( array $request ) {
	foreach ( $request as $name => $value ) {
		$_SERVER[ $name ] = $value;
	}
} )( json_decode( $argv[3], true ) );
define( 'ABSPATH', $argv[2] . '/' );
chdir( $argv[2] );

register_shutdown_function(
	function () {
		$constants = get_defined_constants( true )['user'];
		unset( $constants['ABSPATH'] );
		$variables = array();
		foreach ( $GLOBALS as $name => $value ) {
			if ( '_' !== $name[0] && ! in_array( $name, array( 'argc', 'argv', 'GLOBALS' ), true ) && ! is_object( $value ) ) {
				$variables[ $name ] = $value;
			}
		}
		ksort( $constants );
		ksort( $variables );
		$flags = JSON_PRETTY_PRINT | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE;
		echo json_encode( array( 'constants' => (object) $constants, 'variables' => (object) $variables ), $flags );
	}
);

require $argv[1];
