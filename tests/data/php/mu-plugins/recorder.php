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
			$user    = is_object( $arguments[0] ) ? $arguments[1] : $arguments[0];
			$trouble = @file_get_contents( ABSPATH . 'trouble.json' );
			$trouble = $trouble ? json_decode( $trouble, true ) : array( 'user' => 0, 'hook' => '' );
			if ( in_array( $trouble['user'], array( $user, 'anybody' ), true ) && in_array( $trouble['hook'], array( $hook, 'any' ), true ) ) {
				misbehave( $trouble['how'] );
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

function misbehave( string $how ) {
	switch ( $how ) {
		case 'throw':
			throw new DomainException( 'the CRM is away' );
		case 'wp_die':
			wp_die( 'not <b>today</b>' );
		case 'exit':
			exit;
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
