<?php
// The user's results of our tests of Site Health, by their names, and whether they can be shown.

require __DIR__ . '/site.php';

wp_set_current_user( $input['user'] );
if ( ! empty( $input['unprivileged'] ) && 0 === posix_geteuid() ) {
	// Root may open any socket.
	posix_seteuid( 65534 );
}
$tests   = apply_filters( 'site_status_tests', array( 'direct' => array(), 'async' => array() ) );
$results = array();
foreach ( $tests['direct'] as $name => $test ) {
	$results[ $name ] = call_user_func( $test['test'] );
}
foreach ( $input['async'] ? $tests['async'] : array() as $name => $test ) {
	$results[ $name ] = call_user_func( $test['async_direct_test'] );
}
foreach ( $results as $name => $result ) {
	if ( array( 'test', 'status', 'label', 'badge', 'description', 'actions' ) !== array_keys( $result ) || $name !== $result['test'] ) {
		fwrite( STDERR, "no result: $name" );
		exit( 1 );
	}
}
answer( $results );
