<?php
/**
 * Plugin Name: fcom-sidecar
 * Description: Lets plugins hear of the users and memberships that fcom-sidecar writes, and drops stale copies of them from the object cache.
 * Version: 0.1.0
 * Requires at least: 6.0
 * Requires PHP: 7.4
 * License: MIT OR Apache-2.0
 *
 * Copy this file to wp-content/mu-plugins. In wp-config.php, define FCOM_SIDECAR_SECRET with the value of the daemon's
 * relay.secret, so that the daemon may wake the plugin; without it, WP-Cron looks once a minute.
 *
 * The table {prefix}fcom_sidecar_events is the queue: one row per hook, written in the transaction of the call that it is
 * about. Any number of PHP processes, on any number of web servers, take events from it. Only the first pending event of a
 * user is ever taken, and it stays the first until it has ended, so each user's hooks are fired in their order. An event
 * is fired once, unless PHP dies or a listener fails in its middle: then all listeners of that hook hear of it again.
 *
 * Nothing is stored outside of that table: no option, no transient, no scheduled event. Delete the file, and it is gone.
 * It costs pages that look at WP-Cron's list one query by an index.
 *
 * Constants that change its pace, all in seconds but the first:
 * FCOM_SIDECAR_ATTEMPTS (10), FCOM_SIDECAR_FIRST_RETRY (10, doubled each time up to an hour), FCOM_SIDECAR_BUDGET (20, for
 * one run), FCOM_SIDECAR_LEASE (300: longer than any listener takes), FCOM_SIDECAR_GRACE (10, before WP-Cron looks).
 */

namespace FcomSidecar;

use RuntimeException;
use Throwable;
use WP_Error;

defined( 'ABSPATH' ) || exit;

const VERSION = '0.1.0';
/** The action that WP-Cron fires. */
const CRON_HOOK = 'fcom_sidecar_relay';
const ROUTES    = 'fcom-sidecar/v1';
/** How far the daemon's clock may be from ours, in seconds. */
const TOLERANCE = 300;
/** Events looked up at once. */
const HEADS         = 20;
const LONGEST_RETRY = 3600;
const LONGEST_ERROR = 1000;

const SPACE  = 'FluentCommunity\App\Models\Space';
const COURSE = 'FluentCommunity\Modules\Course\Model\Course';
const MEMBER = 'FluentCommunity\App\Models\SpaceUserPivot';

/** Kinds of events that need no FluentCommunity. */
const CORE_KINDS = array( 'add_user_role', 'set_user_role', 'user_register', 'add_user_to_blog', 'welcome_mail', 'user_changed' );
/** The other kinds: hook and class of its first argument. */
const COMMUNITY_KINDS = array(
	'space_joined'    => array( 'fluent_community/space/joined', SPACE ),
	'course_enrolled' => array( 'fluent_community/course/enrolled', COURSE ),
	'space_left'      => array( 'fluent_community/space/user_left', SPACE ),
	'course_left'     => array( 'fluent_community/course/student_left', COURSE ),
);

/** A number that wp-config.php may set. */
function setting( string $name, int $default ): int {
	$constant = 'FCOM_SIDECAR_' . $name;
	return defined( $constant ) ? max( 1, (int) constant( $constant ) ) : $default;
}

function table(): string {
	global $wpdb;
	return $wpdb->prefix . 'fcom_sidecar_events';
}

function has_community(): bool {
	return class_exists( SPACE ) && class_exists( COURSE ) && class_exists( MEMBER );
}

/** Why a request is not the daemon's, or null if it is. */
function flaw( string $purpose ): ?WP_Error {
	$secret = defined( 'FCOM_SIDECAR_SECRET' ) ? trim( (string) constant( 'FCOM_SIDECAR_SECRET' ) ) : '';
	if ( strlen( $secret ) < 16 ) {
		$message = 'FCOM_SIDECAR_SECRET is not defined in wp-config.php, or has fewer than 16 characters.';
		return new WP_Error( 'fcom_sidecar_no_secret', $message, array( 'status' => 403 ) );
	}
	$given     = static function ( string $header ): string {
		return isset( $_SERVER[ $header ] ) && is_string( $_SERVER[ $header ] ) ? $_SERVER[ $header ] : '';
	};
	$time      = $given( 'HTTP_X_FCOM_SIDECAR_TIME' );
	$is_recent = ctype_digit( $time ) && strlen( $time ) < 12 && abs( time() - (int) $time ) <= TOLERANCE;
	$right     = hash_hmac( 'sha256', "$time.$purpose", $secret );
	if ( ! $is_recent || ! hash_equals( $right, $given( 'HTTP_X_FCOM_SIDECAR_SIGNATURE' ) ) ) {
		return new WP_Error( 'fcom_sidecar_refused', 'Not signed by fcom-sidecar.', array( 'status' => 401 ) );
	}
	return null;
}

/** Which of our routes a request is for; an empty text for any other request. */
function purpose(): string {
	$route = isset( $_GET['rest_route'] ) && is_string( $_GET['rest_route'] ) ? $_GET['rest_route'] : '';
	if ( '' === $route && isset( $_SERVER['REQUEST_URI'] ) ) {
		$route = (string) strtok( (string) $_SERVER['REQUEST_URI'], '?' );
	}
	return preg_match( '~/' . ROUTES . '/+(wake|status)/*$~i', $route, $found ) ? strtolower( $found[1] ) : '';
}

/** Strangers are sent away before any other plugin is loaded. */
function refuse_strangers(): void {
	$purpose = purpose();
	$flaw    = '' === $purpose ? null : flaw( $purpose );
	if ( null === $flaw ) {
		return;
	}
	$data = $flaw->get_error_data();
	http_response_code( $data['status'] );
	header( 'Content-Type: application/json; charset=UTF-8' );
	header( 'Cache-Control: no-store' );
	echo json_encode(
		array(
			'code'    => $flaw->get_error_code(),
			'message' => $flaw->get_error_message(),
			'data'    => $data,
		)
	);
	exit;
}

function register_routes(): void {
	$answers = array(
		'wake'   => static function (): array {
			return ( new Run() )->until_done();
		},
		'status' => __NAMESPACE__ . '\status',
	);
	foreach ( $answers as $purpose => $answer ) {
		register_rest_route(
			ROUTES,
			'/' . $purpose,
			array(
				'methods'             => 'POST',
				'show_in_index'       => false,
				'callback'            => $answer,
				'permission_callback' => static function () use ( $purpose ) {
					$flaw = flaw( $purpose );
					return null === $flaw ? true : $flaw;
				},
			)
		);
	}
}

/** Plugins that close the REST API to visitors need not know us. */
function admit( $result ) {
	$purpose = purpose();
	return '' !== $purpose && null === flaw( $purpose ) ? true : $result;
}

/** What the daemon's `check` shows. */
function status(): array {
	global $wp_version;
	return array(
		'plugin'          => VERSION,
		'wordpress'       => $wp_version,
		'php'             => PHP_VERSION,
		'prefix'          => $GLOBALS['wpdb']->prefix,
		'fluentcommunity' => has_community(),
		'listeners'       => listeners(),
	);
}

/** Who listens to the hooks that we fire, WordPress itself left out. */
function listeners(): array {
	global $wp_filter;
	$hooks = array_merge(
		array( 'add_user_role', 'set_user_role', 'user_register' ),
		array_column( COMMUNITY_KINDS, 0 )
	);
	$found = array();
	foreach ( $hooks as $hook ) {
		$callbacks = isset( $wp_filter[ $hook ] ) ? $wp_filter[ $hook ]->callbacks : array();
		foreach ( array_merge( array(), ...array_values( $callbacks ) ) as $callback ) {
			$plugin = home_of( $callback['function'] );
			if ( '' !== $plugin ) {
				$found[ "$hook $plugin" ] = compact( 'hook', 'plugin' );
			}
		}
	}
	return array_values( $found );
}

/** The folder of the plugin or theme that a callback is part of; empty for WordPress itself. */
function home_of( $callback ): string {
	try {
		if ( is_string( $callback ) && false !== strpos( $callback, '::' ) ) {
			$callback = explode( '::', $callback, 2 );
		}
		if ( is_array( $callback ) ) {
			$class      = new \ReflectionClass( $callback[0] );
			$reflection = $class->hasMethod( $callback[1] ) ? $class->getMethod( $callback[1] ) : $class;
		} elseif ( is_object( $callback ) && ! $callback instanceof \Closure ) {
			$reflection = new \ReflectionClass( $callback );
		} else {
			$reflection = new \ReflectionFunction( $callback );
		}
		$file = (string) $reflection->getFileName();
	} catch ( Throwable $e ) {
		return 'unknown';
	}
	$file = wp_normalize_path( $file );
	if ( '' === $file || 0 === strpos( $file, wp_normalize_path( (string) realpath( ABSPATH . WPINC ) ) ) ) {
		return '';
	}
	// Knows symbolic links, too.
	$path = plugin_basename( $file );
	foreach ( array( get_theme_root(), ABSPATH ) as $folder ) {
		$folder = wp_normalize_path( trailingslashit( $folder ) );
		if ( 0 === strpos( $path, trim( $folder, '/' ) ) ) {
			$path = substr( $path, strlen( trim( $folder, '/' ) ) + 1 );
		}
	}
	return (string) strtok( $path, '/' );
}

/** WordPress sees our event among its scheduled ones while something has been due for a while; it is never stored. */
function show_in_cron( $cron ) {
	static $is_due = null;
	// Before all plugins are there, nobody knows whether FluentCommunity's hooks can be fired.
	if ( ! is_array( $cron ) || '' !== purpose() || wp_installing() || ! did_action( 'plugins_loaded' ) ) {
		return $cron;
	}
	if ( null === $is_due ) {
		$is_due = array() !== heads( 1, setting( 'GRACE', 10 ) );
	}
	if ( $is_due ) {
		$event = array(
			md5( serialize( array() ) ) => array(
				'schedule' => false,
				'args'     => array(),
			),
		);
		// Events stand in the order of their times, and what is due is due.
		$first               = min( array_merge( array( time() ), array_filter( array_keys( $cron ), 'is_int' ) ) );
		$hooks               = isset( $cron[ $first ] ) ? $cron[ $first ] : array();
		$hooks[ CRON_HOOK ] = $event;
		unset( $cron[ $first ] );
		$cron = array( $first => $hooks ) + $cron;
	}
	return $cron;
}

function keep_out_of_cron( $cron ) {
	if ( ! is_array( $cron ) ) {
		return $cron;
	}
	foreach ( $cron as $time => $hooks ) {
		if ( is_array( $hooks ) && isset( $hooks[ CRON_HOOK ] ) ) {
			unset( $cron[ $time ][ CRON_HOOK ] );
			if ( array() === $cron[ $time ] ) {
				unset( $cron[ $time ] );
			}
		}
	}
	return $cron;
}

/** There is nothing to take out. */
function unschedule( $pre, $time, $hook ) {
	return CRON_HOOK === $hook ? true : $pre;
}

/** Ids of events that may be taken: due for that long, and the first of their users. */
function heads( int $limit, int $since = 0 ): array {
	global $wpdb;
	$table = table();
	$kinds = has_community() ? '' : "AND e.kind IN ('" . implode( "', '", CORE_KINDS ) . "')";
	$quiet = $wpdb->suppress_errors();
	$ids   = $wpdb->get_col(
		"SELECT e.id FROM $table e
		WHERE e.state = 'pending' AND e.due_at <= UTC_TIMESTAMP(3) - INTERVAL $since SECOND $kinds
			AND NOT EXISTS (SELECT 1 FROM $table o
				WHERE o.user_id = e.user_id AND o.state = 'pending' AND o.id < e.id)
		ORDER BY e.due_at, e.id LIMIT $limit"
	);
	// The daemon may not have made its tables yet.
	$wpdb->suppress_errors( $quiet );
	return $ids;
}

/** Something that will not change by trying again. */
final class Skip extends RuntimeException {
}

/** One run through the queue. */
final class Run {
	/** @var array<string,mixed>|null The event whose listeners are running. */
	private $current = null;
	/** @var float */
	private $started = 0.0;

	/** Takes events until there is none, or the time is up. */
	public function until_done(): array {
		ignore_user_abort( true );
		register_shutdown_function( array( $this, 'cut_short' ) );
		$this->forbid_dying( true );
		$deadline = microtime( true ) + setting( 'BUDGET', 20 );
		$ended    = array(
			'done'   => 0,
			'failed' => 0,
			'more'   => false,
		);
		do {
			$heads = heads( HEADS );
			// Processes that look at the same time shall not stand in each other's way.
			shuffle( $heads );
			foreach ( $heads as $id ) {
				if ( microtime( true ) > $deadline ) {
					$ended['more'] = true;
					break 2;
				}
				$event = $this->take( (int) $id );
				if ( null !== $event ) {
					++$ended[ $this->fire( $event ) ? 'done' : 'failed' ];
				}
			}
		} while ( array() !== $heads );
		$this->forbid_dying( false );
		return $ended;
	}

	/** The event, if nobody was faster. */
	private function take( int $id ): ?array {
		global $wpdb;
		$table = table();
		$lease = bin2hex( random_bytes( 16 ) );
		// The order matters: a lease that is still there is of a process that died.
		$taken = $wpdb->query(
			$wpdb->prepare(
				"UPDATE $table SET interrupted = interrupted + (lease IS NOT NULL), attempts = attempts + 1,
					lease = UNHEX(%s), due_at = UTC_TIMESTAMP(3) + INTERVAL %d SECOND
				WHERE id = %d AND state = 'pending' AND due_at <= UTC_TIMESTAMP(3)",
				$lease,
				setting( 'LEASE', 300 ),
				$id
			)
		);
		if ( 1 !== $taken ) {
			return null;
		}
		$event = $wpdb->get_row( $wpdb->prepare( "SELECT * FROM $table WHERE id = %d", $id ), ARRAY_A );
		return is_array( $event ) ? array( 'lease' => $lease ) + $event : null;
	}

	/** Whether the event ended well. */
	private function fire( array $event ): bool {
		$this->current = $event;
		$this->started = microtime( true );
		if ( (int) $event['attempts'] > setting( 'ATTEMPTS', 10 ) ) {
			$this->end( 'dead', (string) $event['last_error'] ?: 'PHP died in the middle of it, each time' );
			return false;
		}
		$level = ob_get_level();
		ob_start();
		try {
			$this->tell( $event );
			$failure = null;
		} catch ( Throwable $e ) {
			$failure = $e;
		}
		// What a listener prints, and whom it logs in, is nobody's business.
		while ( ob_get_level() > $level ) {
			ob_end_clean();
		}
		while ( is_multisite() && ms_is_switched() ) {
			restore_current_blog();
		}
		wp_set_current_user( 0 );
		if ( null === $failure ) {
			$this->end( 'done', null );
		} elseif ( $failure instanceof Skip ) {
			$this->end( 'skipped', $failure->getMessage() );
		} else {
			$this->fail( self::words( $failure ), false );
			return false;
		}
		return true;
	}

	/** Drops what is stale, and fires the hook as PHP would have. */
	private function tell( array $event ): void {
		$id = (int) $event['user_id'];
		self::forget_user( $id );
		$user = get_userdata( $id );
		if ( ! $user ) {
			throw new Skip( 'the user was deleted' );
		}
		switch ( $event['kind'] ) {
			case 'user_changed':
				clean_user_cache( $id );
				break;
			case 'add_user_role':
				do_action( 'add_user_role', $id, (string) $event['role'] );
				break;
			case 'set_user_role':
				do_action( 'set_user_role', $id, (string) $event['role'], array() );
				break;
			case 'user_register':
				clean_user_cache( $id );
				do_action( 'user_register', $id, self::userdata( $user, (string) $event['role'] ) );
				break;
			case 'add_user_to_blog':
				$blog_id = get_current_blog_id();
				do_action( 'add_user_to_blog', $id, (string) $event['role'], $blog_id );
				clean_user_cache( $id );
				wp_cache_delete( $blog_id . '_user_count', 'blog-details' );
				break;
			case 'welcome_mail':
				self::send_welcome_mail( $id );
				break;
			default:
				self::tell_of_membership( $event, $id );
		}
	}

	private static function tell_of_membership( array $event, int $user_id ): void {
		if ( ! isset( COMMUNITY_KINDS[ $event['kind'] ] ) ) {
			throw new RuntimeException( 'this version of the plugin does not know this kind of event' );
		}
		list( $hook, $class ) = COMMUNITY_KINDS[ $event['kind'] ];
		$space                = $class::find( (int) $event['space_id'] );
		if ( ! $space ) {
			throw new Skip( 'the space or course was deleted' );
		}
		$arguments = array( $space, $user_id, (string) $event['origin'] );
		if ( 'space_joined' === $event['kind'] || 'course_enrolled' === $event['kind'] ) {
			$member     = MEMBER;
			$membership = $event['membership_id'] ? $member::find( (int) $event['membership_id'] ) : null;
			if ( ! $membership ) {
				throw new Skip( 'the membership is gone' );
			}
			if ( $event['is_new'] ) {
				$arguments[] = $membership;
			}
		}
		do_action( $hook, ...$arguments );
	}

	/** What PHP hands to wp_insert_user, slashed as there; the hash stands for the password, which nobody knows. */
	private static function userdata( \WP_User $user, string $role ): array {
		$data = array(
			'role'       => $role,
			'user_email' => $user->user_email,
			'user_login' => $user->user_login,
			'user_pass'  => $user->user_pass,
			'first_name' => $user->first_name,
			'last_name'  => $user->last_name,
		);
		return wp_slash( array_filter( $data ) );
	}

	private static function send_welcome_mail( int $user_id ): void {
		$failure = null;
		$note    = static function ( $error ) use ( &$failure ): void {
			$failure = $error instanceof WP_Error ? $error->get_error_message() : 'the mail did not leave';
		};
		add_action( 'wp_mail_failed', $note );
		try {
			wp_new_user_notification( $user_id, null, 'user' );
		} finally {
			remove_action( 'wp_mail_failed', $note );
		}
		if ( null !== $failure ) {
			throw new RuntimeException( $failure );
		}
	}

	/** Copies in a persistent object cache are of the time before the call. */
	private static function forget_user( int $id ): void {
		wp_cache_delete( $id, 'users' );
		wp_cache_delete( $id, 'user_meta' );
		if ( function_exists( 'wp_cache_set_users_last_changed' ) ) {
			wp_cache_set_users_last_changed();
		} else {
			wp_cache_set( 'last_changed', microtime(), 'users' );
		}
	}

	/** Another try later, or none. */
	private function fail( string $why, bool $is_dead ): void {
		$attempts = (int) $this->current['attempts'];
		if ( $attempts >= setting( 'ATTEMPTS', 10 ) ) {
			$this->end( 'dead', $why, $is_dead );
			return;
		}
		$pause = min( LONGEST_RETRY, setting( 'FIRST_RETRY', 10 ) * 2 ** ( $attempts - 1 ) );
		$this->end( 'pending', $why, $is_dead, (int) $pause );
	}

	/** Records how the attempt ended, unless another process has taken the event over. */
	private function end( string $state, ?string $why, bool $is_dead = false, int $pause = 0 ): void {
		global $wpdb;
		$event         = $this->current;
		$this->current = null;
		$table         = table();
		$finished      = 'pending' === $state ? 'NULL' : 'UTC_TIMESTAMP(3)';
		$set           = $wpdb->prepare(
			"state = %s, lease = NULL, interrupted = interrupted + %d, duration_ms = %d,
				due_at = UTC_TIMESTAMP(3) + INTERVAL %d SECOND, finished_at = $finished",
			$state,
			$is_dead ? 1 : 0,
			(int) round( ( microtime( true ) - $this->started ) * 1000 ),
			$pause
		);
		if ( null !== $why ) {
			$set .= $wpdb->prepare( ', last_error = %s', $why );
		}
		$where = $wpdb->prepare( 'id = %d AND lease = UNHEX(%s)', $event['id'], $event['lease'] );
		// An event that is not recorded is fired again.
		for ( $try = 0; $try < 5 && false === $wpdb->query( "UPDATE $table SET $set WHERE $where" ); $try++ ) {
			usleep( 100000 );
		}
	}

	/** A listener has ended the process, or an error has. */
	public function cut_short(): void {
		if ( null === $this->current ) {
			return;
		}
		$error = error_get_last();
		$fatal = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;
		$why   = 'a listener ended PHP';
		if ( is_array( $error ) && ( $error['type'] & $fatal ) ) {
			$why = self::shortened( $error['message'] . ' in ' . $error['file'] . ':' . $error['line'] );
		}
		$this->fail( $why, true );
	}

	/** For a listener, `wp_die` is an error like any other, not the end of the run. */
	private function forbid_dying( bool $is_forbidden ): void {
		$change = $is_forbidden ? 'add_filter' : 'remove_filter';
		foreach ( array( 'wp_die_handler', 'wp_die_json_handler', 'wp_die_ajax_handler' ) as $filter ) {
			$change( $filter, array( $this, 'instead_of_dying' ), PHP_INT_MAX );
		}
	}

	public function instead_of_dying(): callable {
		return static function ( $message ): void {
			$text = is_wp_error( $message ) ? $message->get_error_message() : $message;
			throw new RuntimeException( 'wp_die: ' . wp_strip_all_tags( is_scalar( $text ) ? (string) $text : '' ) );
		};
	}

	private static function words( Throwable $e ): string {
		$class = get_class( $e );
		return self::shortened( "$class: {$e->getMessage()} in {$e->getFile()}:{$e->getLine()}" );
	}

	private static function shortened( string $text ): string {
		$text = str_replace( ABSPATH, '', wp_check_invalid_utf8( $text, true ) );
		return function_exists( 'mb_substr' ) ? mb_substr( $text, 0, LONGEST_ERROR, 'UTF-8' ) : substr( $text, 0, LONGEST_ERROR );
	}
}

refuse_strangers();
add_action( 'rest_api_init', __NAMESPACE__ . '\register_routes' );
add_filter( 'rest_authentication_errors', __NAMESPACE__ . '\admit', PHP_INT_MAX );
add_filter( 'option_cron', __NAMESPACE__ . '\show_in_cron' );
add_filter( 'pre_update_option_cron', __NAMESPACE__ . '\keep_out_of_cron' );
add_filter( 'pre_unschedule_event', __NAMESPACE__ . '\unschedule', 10, 3 );
add_action(
	CRON_HOOK,
	static function (): void {
		( new Run() )->until_done();
	}
);
