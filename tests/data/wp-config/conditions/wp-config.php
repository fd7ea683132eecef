<?php
$host = $_SERVER['HTTP_HOST'] ?? '';
if ( $host === 'dev.example.org' ) {
	define( 'DIFFERENT', 'dev' );
	define( 'SAME', 'same' );
	$mode = 'dev';
	$equal = 1;
} elseif ( isset( $_GET['debug'] ) ) {
	define( 'DIFFERENT', 'debug' );
	define( 'SAME', 'same' );
	$mode = 'debug';
	$equal = 1;
} else {
	define( 'DIFFERENT', 'live' );
	define( 'SAME', 'same' );
	$mode = 'live';
	$equal = 1;
}
if ( $host ) {
	define( 'MAYBE', 1 );
	$maybe = 1;
}
defined( 'MAYBE' ) or define( 'MAYBE', 2 );
define( 'MAYBE_SET', isset( $maybe ) );
$host && define( 'MAYBE_FIRST', 'first' );
define( 'MAYBE_FIRST', 'second' );
$host && ( $side = true );
define( 'SIDE', isset( $side ) );
unset( $side );
define( 'AND_FALSE', $host && false );
define( 'OR_TRUE', $host || true );
if ( true ) : define( 'ALTERNATIVE', 'a' ); else : define( 'ALTERNATIVE', 'b' ); endif;
switch ( $equal ) {
	case 0:
		define( 'CASE_TAKEN', 'zero' );
		break;
	case 1:
		define( 'CASE_TAKEN', 'one' );
	default:
		define( 'FALLEN_THROUGH', true );
		break;
	case 2:
		define( 'CASE_TAKEN', 'two' );
}
switch ( $host ) {
	case 'a.example.org':
		define( 'FROM_CASE', 'a' );
		break;
	default:
		define( 'FROM_CASE', 'default' );
}
function pick( $value, $other = 'other' ) {
	if ( $value === 'one' ) {
		return 'first';
	}
	return $other;
}
define( 'PICKED', pick( 'one' ) . pick( 'two' ) . pick( 'three', 'given' ) );
function by_host( $host ) {
	if ( $host === 'dev.example.org' ) {
		return 'https://dev.example.org';
	}
	return 'https://www.example.org';
}
define( 'WP_HOME', by_host( $host ) );
function by_host_all_the_same( $host ) {
	if ( $host ) {
		return 'equal';
	}
	return 'equal';
}
define( 'ALL_THE_SAME', by_host_all_the_same( $host ) );
function defines() {
	global $table_prefix, $host;
	define( 'IN_FUNCTION', $host );
	define( 'KNOWN_IN_FUNCTION', __FUNCTION__ === 'x' ? 1 : 2 );
	$table_prefix = 'global_';
	$local = 'lost';
}
function recursive( $n ) {
	return $n > 3 ? $n : recursive( $n + 1 );
}
define( 'RECURSIVE', recursive( 0 ) );
for ( $i = 0; $i < 3; $i++ ) {
	$sum = ( $sum ?? 0 ) + $i;
	if ( $i === 1 ) define( 'LOOPED', $i );
}
foreach ( array( 'ALSO_LOOPED' => 5, 'DB_HOST' => 'looped' ) as $name => $value ) {
	define( $name, $value );
}
unset( $name, $value );
foreach ( [ 1 ] as $in_loop ) {
	$early = 'x';
}
while ( false ) { define( 'NEVER', 1 ); }
try {
	define( 'TRIED', 'yes' );
} catch ( Exception $e ) {
	define( 'TRIED', 'no' );
} finally {
	define( 'FINALLY', 'too' );
}
try {
	if ( $host ) throw new Exception( 'x' );
	define( 'THROWN', 'no' );
} catch ( Exception $e ) {
	define( 'THROWN', 'yes' );
	define( 'CAUGHT', 1 );
}
unset( $e );
if ( php_sapi_name() === 'no-such-sapi' ) {
	define( 'TESTED', 1 );
	exit;
}
define( 'TESTED', 2 );
function calls_back( $callback ) { $callback(); }
$seen = 0;
$count = function () use ( &$seen ) { $seen++; };
$count();
unset( $count );
define( 'CALLED', $seen );
[ $one, $two ] = [ 1, 2 ];
define( 'LISTED', $one );
list( , $second ) = [ 1, 2 ];
define( 'FROM_LIST', $second );
unset( $second );
function change( &$changed ) { $changed = 'after'; }
$changed = 'before';
change( $changed );
define( 'CHANGED', $changed );
$referred = 'a';
$alias = &$referred;
$alias = 'b';
define( 'REFERENCE', $referred );
function counts() { static $n = 0; return ++$n; }
define( 'STATIC_CALLS', counts() );
$prefix_of = 'a';
preg_match( '/b/', 'b', $prefix_of );
if ( $host === 'early.example.org' ) {
	require __DIR__ . '/early.php';
	return;
}
defines();
define( 'EARLY', 'no' );
define( 'WP_DEBUG', false );
$debug = 0;
