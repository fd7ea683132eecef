<?php
// Writes down every hook that the relay is to fire, with the types and values of all arguments, one a line. Misbehaves
// for the user in `trouble.json` (or `anybody`), as listeners do.

foreach ( array(
	'add_user_role',
	'set_user_role',
	'user_register',
	'add_user_to_blog',
	'fluent_community/space/joined',
	'fluent_community/course/enrolled',
	'fluent_community/space/user_left',
	'fluent_community/course/student_left',
) as $hook ) {
	add_action(
		$hook,
		static function ( ...$arguments ) use ( $hook ) {
			$described = array_map( 'describe_argument', $arguments );
			$line      = json_encode( array( 'hook' => $hook, 'args' => $described ), JSON_THROW_ON_ERROR ) . "\n";
			file_put_contents( ABSPATH . 'record', $line, FILE_APPEND | LOCK_EX );
			if ( isset( $arguments[3] ) ) {
				file_put_contents( ABSPATH . 'rows', json_encode( $arguments[3]->row ) . "\n", FILE_APPEND | LOCK_EX );
			}
			file_put_contents( ABSPATH . 'ground', json_encode( describe_ground() ) . "\n", FILE_APPEND | LOCK_EX );
			$user    = is_object( $arguments[0] ) ? $arguments[1] : $arguments[0];
			$trouble = @file_get_contents( ABSPATH . 'trouble.json' );
			$trouble = $trouble ? json_decode( $trouble, true ) : array( 'user' => 0, 'hook' => '' );
			if ( in_array( $trouble['user'], array( $user, 'anybody' ), true ) && in_array( $trouble['hook'], array( $hook, 'any' ), true ) ) {
				$object = is_object( $arguments[0] ) ? $arguments[0]->id : 0;
				misbehave( 'seeded' === $trouble['how'] ? chosen( $trouble['seed'], $hook, $user, $object ) : $trouble['how'] );
			}
		},
		10,
		99
	);
}

function describe_argument( $argument ) {
	if ( is_object( $argument ) ) {
		return array( 'object' => get_class( $argument ), 'id' => $argument->id );
	}
	return array( gettype( $argument ) => $argument );
}

// What a listener finds, apart from its arguments.
function describe_ground() {
	global $wpdb;
	$handler = set_error_handler( null );
	restore_error_handler();
	return array(
		'fired'       => array( did_action( current_filter() ), did_action( 'of_a_listener' ), did_filter( 'of_a_listener' ) ),
		'within'      => count( $GLOBALS['wp_current_filter'] ),
		'login'       => wp_login_url(),
		'user'        => get_current_user_id(),
		'blog'        => get_current_blog_id(),
		'locale'      => determine_locale(),
		'handler'     => (bool) $handler,
		'buffers'     => ob_get_level(),
		'reports'     => ( new mysqli_driver() )->report_mode,
		'transaction' => $wpdb->get_var( 'SELECT @@in_transaction + 2 * ( 1 - @@autocommit )' ),
	);
}

// Leaves everything as a listener should not.
function make_a_mess() {
	global $wpdb;
	echo 'printed';
	do_action( 'of_a_listener' );
	apply_filters( 'of_a_listener', '' );
	wp_set_auth_cookie( 1 );
	setcookie( 'of_listener', 'of nobody else' );
	wp_set_current_user( 1 );
	wp_redirect( 'http://example.com/' );
	switch_to_locale( 'de_DE' );
	is_multisite() && switch_to_blog( 1 === get_current_blog_id() ? 2 : 1 );
	set_error_handler(
		static function ( $level, $message ) {
			throw new ErrorException( $message );
		}
	);
	mysqli_report( MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT );
	$wpdb->query( 'SET autocommit = 0' );
	$wpdb->query( "UPDATE $wpdb->options SET option_value = 'of a listener' WHERE option_name = 'blogdescription'" );
	while ( ob_get_level() ) {
		ob_end_clean();
	}
	ob_start();
}

// What happens to this attempt, the same each time for the same seed, whichever process has it: one in twenty fails.
function chosen( int $seed, string $hook, int $user, int $object ) {
	global $wpdb;
	$attempt = $wpdb->get_var( "SELECT attempts FROM {$wpdb->prefix}fcom_sidecar_events WHERE user_id = $user AND lease IS NOT NULL" );
	$chance  = crc32( "$seed $hook $user $object $attempt" ) % 1000;
	return $chance < 3 ? 'kill' : ( $chance < 6 ? 'exit' : ( $chance < 50 ? 'throw' : '' ) );
}

function misbehave( string $how ) {
	switch ( $how ) {
		case 'throw':
			throw new DomainException( 'the CRM is away' );
		case 'wp_die':
			wp_die( 'not <b>today</b>' );
		case 'exit':
			exit;
		case 'finish':
			fastcgi_finish_request();
			break;
		case 'mess':
			make_a_mess();
			break;
		case 'mess_throw':
			make_a_mess();
			throw new DomainException( 'after a mess of ann@example.com' );
		case 'mess_exit':
			make_a_mess();
			exit;
		case 'lock_tables':
			$GLOBALS['wpdb']->query( "LOCK TABLES {$GLOBALS['wpdb']->options} READ" );
			break;
		case 'slow':
			usleep( 60000 );
			break;
		case 'too_slow':
			sleep( 10 );
			break;
		case 'leak':
			$GLOBALS['leaked'][] = str_repeat( 'x', 1 << 20 );
			break;
		case 'all_memory':
			ini_set( 'memory_limit', memory_get_usage() + ( 4 << 20 ) );
			for ( $kept = array(); ; $kept[] = str_repeat( 'x', 100 ) ) {
				continue;
			}
		case 'memory':
			ini_set( 'memory_limit', '64M' );
			str_repeat( 'x', 1 << 30 );
			break;
		case 'kill':
			posix_kill( getmypid(), SIGKILL );
			break;
		case 'random':
			switch ( random_int( 0, 40 ) ) {
				case 0:
					posix_kill( getmypid(), SIGKILL );
					break;
				case 1:
					exit;
				case 2:
				case 3:
				case 4:
					throw new DomainException( 'now and then' );
			}
	}
}
