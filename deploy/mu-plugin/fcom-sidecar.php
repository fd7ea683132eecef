<?php
/**
 * Plugin Name: fcom-sidecar
 * Description: Keeps PHP from executing webhooks that fcom-sidecar protects, fires the hooks for users and memberships that it writes, drops stale copies of them from the object cache, and shows its console in wp-admin.
 * Version: 0.1.0
 * Requires at least: 6.0
 * Requires PHP: 7.4
 * License: MIT OR Apache-2.0
 *
 * Copy this file to wp-content/mu-plugins. Define FCOM_SIDECAR_SECRET in wp-config.php with the value of the daemon's relay.secret, so
 * that the daemon can wake the plugin for the relay, and wp-admin can show the console. Without it, WP-Cron checks the queue once a minute.
 *
 * The guard: a call that reaches PHP is refused here, before FluentCommunity's handler, if the daemon protects its webhook.
 * The table {prefix}fcom_sidecar_guard names these webhooks. PHP cannot verify what the daemon verifies: it does not have the
 * bytes of a multipart body, and must not have the secrets. Without the table nothing is refused.
 *
 * The relay: the table {prefix}fcom_sidecar_events is the queue: one row per hook, written in the transaction of the call that causes
 * it. Any number of PHP processes, on any number of web servers, take events from it. Only the first pending event of a
 * user can be taken, and it stays the first until it has ended, so each user's hooks fire in order. An event fires once,
 * unless PHP dies or a listener fails in the middle: then the hook fires again, for all of its listeners.
 *
 * The console: a page of wp-admin for who has manage_options, below FluentCommunity's menu or below Tools. Its frame passes requests on
 * to the daemon's admin listener, signed and with the user's name. FCOM_SIDECAR_CONSOLE is the address of that listener, as in
 * server.admin_listen (127.0.0.1:9095); false if there shall be no page. On a network it is that of the main site's daemon, or an
 * array with the address of each site's daemon by the site's id.
 *
 * Nothing is stored outside of these tables: no option, no scheduled event, and a transient for a minute only. To uninstall, set relay.enabled = false,
 * restart the daemon, and delete the file once "fcom-sidecar relay status" says that no hook is pending: until then the daemon leaves mails to it.
 * Pages that read WP-Cron's schedule cost one more query, by an index; so do pages of wp-admin and runs of WP-Cron, in which
 * the plugin tells the daemon that it works.
 *
 * Constants that change its pace, all in seconds except the first:
 * FCOM_SIDECAR_ATTEMPTS (10), FCOM_SIDECAR_FIRST_RETRY (10, doubled each time up to an hour), FCOM_SIDECAR_BUDGET (20, for
 * one run), FCOM_SIDECAR_LEASE (300: longer than any listener takes), FCOM_SIDECAR_GRACE (10, before WP-Cron steps in).
 */

namespace FcomSidecar;

use mysqli_driver;
use RuntimeException;
use Throwable;
use WP_Error;
use WP_User;

defined( 'ABSPATH' ) || exit;

const VERSION = '0.1.0';
/** SHA-256 of this file without the next line, which `make docs` writes. It tells which code PHP runs, whatever has become of the file since. */
const EDITION = '7c5b4ab5b1f7523a2b7129a95f80ae5b22b89cf9a4d2fb3a95b6bf5422bef80a';
/** The guard that this file has. The daemon serves no protection without it, and reads this line. */
const GUARD = 1;
/** The action that WP-Cron fires. */
const CRON_HOOK = 'fcom_sidecar_relay';
/** Maximum difference between the daemon's clock and ours, in seconds. */
const TOLERANCE = 300;
/** Number of events read at once. */
const HEADS = 20;
/** Of those that have been due for longest, so many are looked at: behind one that fails, any number of its user's may wait. */
const OLDEST = 100;
/** If all of those wait, so many users' first events are looked at together; by a run, many. */
const USERS         = 100;
const MANY_USERS    = 5000;
const LONGEST_RETRY = 3600;
const LONGEST_ERROR = 1000;

const SPACE  = 'FluentCommunity\App\Models\Space';
const COURSE = 'FluentCommunity\Modules\Course\Model\Course';
const MEMBER = 'FluentCommunity\App\Models\SpaceUserPivot';
const PERSON = 'FluentCommunity\App\Models\User';

/** The page in wp-admin. */
const PAGE = 'fcom-sidecar';
/** What its frame asks admin-ajax.php for, and the name of its nonce. */
const CONSOLE = 'fcom_sidecar_console';
/** The transient with what the daemon said last. */
const STATE = 'fcom_sidecar_state';
/** The test of Site Health that asks for the daemon's own checks. */
const CHECK = 'fcom-sidecar-check';
/** The daemon's admin listener, unless wp-config.php names another one. */
const ADMIN_LISTENER = '127.0.0.1:9095';
const ADMIN_PORT     = 9095;
/** How long, in seconds, the dashboard waits for the daemon, and the console. */
const GLANCE  = 1;
const PATIENT = 30;

/** WordPress's own hooks that we fire. */
const CORE_HOOKS = array( 'add_user_role', 'set_user_role', 'user_register', 'add_user_to_blog' );
/** Those of the key in a welcome mail that the daemon sends. */
const KEY_HOOKS = array( 'retrieve_password', 'profile_update', 'wp_update_user' );
/** Kinds of events that do not need FluentCommunity. */
const CORE_KINDS = array( ...CORE_HOOKS, 'welcome_mail', 'user_changed' );
/** The other kinds, each with its hook and the class of the first argument; of joining, then of leaving. */
const COMMUNITY_KINDS = array(
	'space_joined'    => array( 'fluent_community/space/joined', SPACE ),
	'course_enrolled' => array( 'fluent_community/course/enrolled', COURSE ),
	'space_left'      => array( 'fluent_community/space/user_left', SPACE ),
	'course_left'     => array( 'fluent_community/course/student_left', COURSE ),
);

refuse_strangers();
// Fired for whatever FluentCommunity takes for a call, and so for every way of writing one.
add_action( 'fluent_community/portal_action_incoming_webhook', __NAMESPACE__ . '\guard_door', PHP_INT_MIN );
add_action( 'wp_loaded', __NAMESPACE__ . '\announce_guard' );
// After all plugins have added listeners, and before the REST API and plugins that close it, or the site, to visitors.
add_action( 'wp_loaded', __NAMESPACE__ . '\answer_daemon', PHP_INT_MAX );
add_action( CRON_HOOK, __NAMESPACE__ . '\run' );
add_filter( 'option_cron', __NAMESPACE__ . '\show_in_cron' );
add_filter( 'pre_update_option_cron', __NAMESPACE__ . '\keep_out_of_cron' );
add_filter( 'pre_unschedule_event', __NAMESPACE__ . '\unschedule', 10, 3 );
// After FluentCommunity has added its menu.
add_action( 'admin_menu', __NAMESPACE__ . '\add_page', 100 );
add_action( 'admin_notices', __NAMESPACE__ . '\show_notice' );
add_action( 'wp_ajax_' . CONSOLE, __NAMESPACE__ . '\show_console' );
add_action( 'wp_ajax_nopriv_' . CONSOLE, __NAMESPACE__ . '\show_console' );
add_filter( 'site_status_tests', __NAMESPACE__ . '\add_health_tests' );
add_action( 'wp_ajax_health-check-' . CHECK, __NAMESPACE__ . '\answer_health_check' );

/** A number that wp-config.php can set. */
function setting( string $name, int $default ): int {
	$constant = 'FCOM_SIDECAR_' . $name;
	return defined( $constant ) ? max( 1, (int) constant( $constant ) ) : $default;
}

function has_community(): bool {
	return class_exists( SPACE ) && class_exists( COURSE ) && class_exists( MEMBER );
}

/** Fires the hooks that are due, for at most this many seconds; returns how many. */
function run( $seconds = 0 ): array {
	$budget = setting( 'BUDGET', 20 );
	return ( new Run() )->until_done( (int) $seconds > 0 ? min( (int) $seconds, $budget ) : $budget );
}

/*
 * The daemon's requests: POST to ?rest_route=/fcom-sidecar/v1/wake or …/status, or to the same path below wp-json. They look
 * like requests to the REST API, which web servers and firewalls admit, but do not depend on it.
 */

/** The purpose of a request from the daemon; an empty string for any other request. */
function purpose(): string {
	// Fixed when the signature is checked, whatever plugins make of the request later.
	static $purpose = null;
	if ( null !== $purpose ) {
		return $purpose;
	}
	$purpose = '';
	if ( isset( $_SERVER['REQUEST_METHOD'], $_SERVER['REQUEST_URI'] ) && 'POST' === $_SERVER['REQUEST_METHOD'] ) {
		$route = isset( $_GET['rest_route'] ) ? $_GET['rest_route'] : strtok( $_SERVER['REQUEST_URI'], '?' );
		if ( is_string( $route ) && preg_match( '~/fcom-sidecar/v1/+(wake|status)/*$~iD', $route, $found ) ) {
			$purpose = strtolower( $found[1] );
		}
	}
	return $purpose;
}

/** What we share with the daemon; empty if there is nothing that could not be guessed. */
function secret(): string {
	$secret = defined( 'FCOM_SIDECAR_SECRET' ) ? trim( (string) constant( 'FCOM_SIDECAR_SECRET' ) ) : '';
	return strlen( $secret ) < 16 ? '' : $secret;
}

function signature( string $time, string $purpose, string $secret ): string {
	return hash_hmac( 'sha256', "$time.$purpose", $secret );
}

/** Rejects unsigned requests before any other plugin is loaded. */
function refuse_strangers(): void {
	$purpose = purpose();
	if ( '' === $purpose ) {
		return;
	}
	$secret = secret();
	if ( '' === $secret ) {
		$message = 'FCOM_SIDECAR_SECRET is not defined in wp-config.php, or has fewer than 16 characters.';
		reply( 403, array( 'code' => 'fcom_sidecar_no_secret' ) + compact( 'message' ) );
		exit;
	}
	if ( ! is_signed( $purpose, $secret ) ) {
		$message = 'Not signed by fcom-sidecar.';
		reply( 401, array( 'code' => 'fcom_sidecar_refused' ) + compact( 'message' ) );
		exit;
	}
	// Before plugins are loaded, which take addresses down.
	believe_in_https();
}

/**
 * Makes this request look like one over https if the site's address says so: the daemon and WP-Cron may take a shorter way to
 * it. Only for requests whose origin is known; no header of a request has a say.
 */
function believe_in_https(): void {
	if ( ! is_ssl() && 0 === stripos( (string) get_option( 'home' ), 'https://' ) ) {
		$_SERVER['HTTPS'] = 'on';
	}
}

/** Whether the request has the daemon's signature of time and purpose. A replay only makes the plugin check the queue again. */
function is_signed( string $purpose, string $secret ): bool {
	$given = static function ( string $header ): string {
		return isset( $_SERVER[ $header ] ) && is_string( $_SERVER[ $header ] ) ? $_SERVER[ $header ] : '';
	};
	$time  = $given( 'HTTP_X_FCOM_SIDECAR_TIME' );
	if ( ! ctype_digit( $time ) || strlen( $time ) > 11 || abs( time() - (int) $time ) > TOLERANCE ) {
		return false;
	}
	return hash_equals( signature( $time, $purpose, $secret ), $given( 'HTTP_X_FCOM_SIDECAR_SIGNATURE' ) );
}

/** Answers the daemon. The signature was verified when this file was loaded. */
function answer_daemon(): void {
	$purpose = purpose();
	if ( '' !== $purpose ) {
		// The daemon knows how busy the machine is and determines how long to work.
		$seconds = isset( $_GET['seconds'] ) ? $_GET['seconds'] : 0;
		report( 'wake' === $purpose ? run( $seconds ) : status() );
		exit;
	}
}

/** Tells the daemon this, and what has been sent before it: that cannot be taken back, nor any header be added. */
function report( array $body ): void {
	if ( headers_sent( $file, $line ) ) {
		$body['printed'] = str_replace( ABSPATH, '', $file ) . ":$line";
	}
	reply( 200, $body );
}

function reply( int $status, array $body, array $headers = array() ): void {
	array_unshift( $headers, 'Content-Type: application/json; charset=UTF-8', 'Cache-Control: no-store' );
	send( $status, $headers, (string) json_encode( $body, JSON_INVALID_UTF8_SUBSTITUTE ) );
}

/** Sends this, and nothing that other code has added to the response so far. */
function send( int $status, array $headers, string $body ): void {
	while ( ob_get_level() > 0 && ob_end_clean() ) {
		continue;
	}
	if ( ! headers_sent() ) {
		header_remove();
		status_header( $status );
		array_map( 'header', $headers );
	}
	echo $body;
}

/** What the daemon's `check` displays. */
function status(): array {
	global $wpdb, $wp_version;
	return array(
		'plugin'          => VERSION,
		'digest'          => EDITION,
		'file'            => digest(),
		'wordpress'       => $wp_version,
		'php'             => PHP_VERSION,
		'prefix'          => $wpdb->prefix,
		'fluentcommunity' => has_community(),
		'listeners'       => listeners(),
	);
}

/** What EDITION of the file should be as it is now; whatever a file transfer has made of its line ends. */
function digest(): string {
	$text = str_replace( "\r\n", "\n", (string) file_get_contents( __FILE__ ) );
	return hash( 'sha256', (string) preg_replace( '/^const EDITION = .*\n/m', '', $text ) );
}

/** The plugins that listen to the hooks that we fire, WordPress itself excluded. */
function listeners(): array {
	global $wp_filter;
	$found = array();
	foreach ( array_merge( CORE_HOOKS, array_column( COMMUNITY_KINDS, 0 ), KEY_HOOKS ) as $hook ) {
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

/** The directory of the plugin or theme that a callback belongs to; empty for WordPress itself. */
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
	$core = wp_normalize_path( ( realpath( ABSPATH . WPINC ) ?: ABSPATH . WPINC ) . '/' );
	if ( '' === $file || 0 === strpos( $file, $core ) ) {
		return '';
	}
	// Resolves symbolic links, too.
	$path = plugin_basename( $file );
	foreach ( array( get_theme_root(), ABSPATH ) as $folder ) {
		$folder = wp_normalize_path( trailingslashit( $folder ) );
		if ( 0 === strpos( $path, trim( $folder, '/' ) ) ) {
			$path = substr( $path, strlen( trim( $folder, '/' ) ) + 1 );
		}
	}
	return (string) strtok( $path, '/' );
}

/*
 * The guard.
 */

/** Refuses calls that the daemon would check, before FluentCommunity's handler sees them. */
function guard_door(): void {
	write_guard();
	$signature = 'X-Fcom-Sidecar-Guard: ' . GUARD;
	$door      = new Door();
	$verdict   = $door->verdict();
	if ( Door::OPEN === $verdict ) {
		headers_sent() || header( $signature );
		return;
	}
	if ( Door::UNKNOWN === $verdict ) {
		// As FluentCommunity answers.
		$message = 'Webhook not found';
		reply( 404, array( 'status' => 'error' ) + compact( 'message' ), array( $signature ) );
		exit;
	}
	// The caller comes again, and finds the daemon.
	$message = 'This webhook is protected and cannot be executed at the moment. Try again later';
	reply( 503, array( 'status' => 'error' ) + compact( 'message' ), array( $signature, 'Retry-After: 30' ) );
	exit;
}

/** Tells the daemon that the guard works, in requests that are not a visitor's. */
function announce_guard(): void {
	if ( ! wp_installing() && ( wp_doing_cron() || '' !== purpose() || ( is_admin() && ! wp_doing_ajax() ) ) ) {
		write_guard();
	}
}

/** At most once a minute, a row is written. */
function write_guard(): void {
	query(
		'INSERT INTO ' . table( 'guard' ) . " (subject, seen_at) VALUES ('guard " . GUARD . "', UTC_TIMESTAMP())
		ON DUPLICATE KEY UPDATE seen_at = IF(seen_at > UTC_TIMESTAMP() - INTERVAL 60 SECOND, seen_at, UTC_TIMESTAMP())"
	);
}

/** One of the daemon's tables. */
function table( string $name ): string {
	return $GLOBALS['wpdb']->prefix . 'fcom_sidecar_' . $name;
}

/** The rows of a statement that may fail without anybody being told; null if it did. */
function query( string $sql ): ?array {
	global $wpdb;
	$quiet = $wpdb->suppress_errors();
	try {
		return false === $wpdb->query( $sql ) ? null : (array) $wpdb->last_result;
	} catch ( Throwable $e ) {
		// Some sites configure mysqli to throw.
		return null;
	} finally {
		$wpdb->suppress_errors( $quiet );
	}
}

/**
 * What PHP may do with a call. FluentCommunity finds a webhook by the database's comparison, for which upper and lower case,
 * accents and trailing spaces are the same, and takes the first value of an array. So while anything is protected, PHP gets
 * only calls whose key is, byte by byte, that of a webhook that is not; the daemon does not take others either.
 */
final class Door {
	/** The handler may have it. */
	const OPEN = 0;
	/** Protected, or nobody knows. */
	const SHUT = 1;
	/** Not a key. */
	const UNKNOWN = 2;
	/** More texts than this are not looked up. */
	const MOST = 10;

	/** @var array<string,true> What is protected, as the daemon names it. */
	private $subjects = array();

	public function verdict(): int {
		$subjects = query( 'SELECT subject FROM ' . table( 'guard' ) . " WHERE subject LIKE 'webhook %' OR subject LIKE 'title %'" );
		if ( null === $subjects && ! self::is_without_table() ) {
			return self::SHUT;
		}
		$this->subjects = array_fill_keys( array_column( (array) $subjects, 'subject' ), true );
		$key            = isset( $_GET['webhook'] ) ? $_GET['webhook'] : '';
		if ( array() === $this->subjects ) {
			is_string( $key ) && $this->of_key( $key );
			return self::OPEN;
		}
		// Where nobody should look for a key, a protected one is not passed on either.
		$texts = self::texts( array_column( array( $_GET, $_POST, $_COOKIE ), 'webhook' ) );
		foreach ( array_slice( $texts, 0, self::MOST ) as $text ) {
			if ( self::SHUT === $this->of_key( $text ) ) {
				return self::SHUT;
			}
		}
		if ( count( $texts ) > self::MOST ) {
			return self::UNKNOWN;
		}
		// Without a key the handler leaves the request to the portal.
		if ( ! is_string( $key ) ) {
			return self::UNKNOWN;
		}
		return '' === $key || '0' === $key ? self::OPEN : $this->of_key( $key );
	}

	/** A replaced key that the daemon still accepts becomes the present one. */
	private function of_key( string $key ): int {
		global $wpdb;
		$meta    = "{$wpdb->prefix}fcom_meta";
		$columns = 'm.id, CAST(m.meta_key AS BINARY) AS name, CAST(m.value AS BINARY) AS value';
		$found   = query( $wpdb->prepare( "SELECT $columns FROM $meta m WHERE m.object_type = 'webhook' AND m.meta_key = %s", $key ) );
		if ( null === $found ) {
			return self::SHUT;
		}
		$is_exact = false;
		foreach ( $found as $webhook ) {
			if ( $this->is_protected( $webhook ) ) {
				return self::SHUT;
			}
			$is_exact = $is_exact || $webhook->name === $key;
		}
		if ( array() !== $found ) {
			return $is_exact ? self::OPEN : self::UNKNOWN;
		}
		$sql   = "SELECT $columns FROM " . table( 'old_keys' ) . " k JOIN $meta m ON m.id = k.webhook_id AND m.object_type = 'webhook'
			WHERE k.key_hash = UNHEX(%s) AND k.valid_until > UTC_TIMESTAMP()";
		$found = (array) query( $wpdb->prepare( $sql, hash( 'sha256', $key ) ) );
		if ( array() === $found ) {
			return self::UNKNOWN;
		}
		if ( $this->is_protected( $found[0] ) ) {
			return self::SHUT;
		}
		if ( isset( $_GET['webhook'] ) && $_GET['webhook'] === $key ) {
			$_GET['webhook'] = $found[0]->name;
		}
		return self::OPEN;
	}

	private function is_protected( object $webhook ): bool {
		if ( isset( $this->subjects[ 'webhook ' . $webhook->id ] ) ) {
			return true;
		}
		$has_titles = false;
		foreach ( $this->subjects as $subject => $yes ) {
			$has_titles = $has_titles || 0 === strpos( $subject, 'title ' );
		}
		if ( ! $has_titles ) {
			return false;
		}
		// A record that cannot be read: the daemon refuses it, too.
		$record = @unserialize( trim( (string) $webhook->value ), array( 'allowed_classes' => false ) );
		$title  = is_array( $record ) && isset( $record['title'] ) && is_string( $record['title'] ) ? $record['title'] : '';
		return ! is_array( $record ) || isset( $this->subjects[ 'title ' . hash( 'sha256', $title ) ] );
	}

	/** Whether the table is not there, which is the only reason to open: the daemon never ran, or was removed. */
	private static function is_without_table(): bool {
		global $wpdb;
		return array() === query( $wpdb->prepare( 'SHOW TABLES LIKE %s', $wpdb->esc_like( table( 'guard' ) ) ) );
	}

	/** Every text in these parameters, however deep, each once. */
	private static function texts( array $parameters ): array {
		$texts = array();
		array_walk_recursive(
			$parameters,
			static function ( $text ) use ( &$texts ): void {
				if ( is_scalar( $text ) && '' !== (string) $text && '0' !== (string) $text ) {
					$texts[ (string) $text ] = true;
				}
			}
		);
		return array_map( 'strval', array_keys( $texts ) );
	}
}

/*
 * WP-Cron, as the fallback for lost wake-ups: it sees an event of ours while something has been due for a while. That event
 * is never stored.
 */

/** Adds our event to the schedule when it is read. */
function show_in_cron( $cron ) {
	static $is_due = array();
	// Until all plugins are loaded it is unknown whether FluentCommunity's hooks can be fired.
	if ( ! is_array( $cron ) || '' !== purpose() || wp_installing() || ! did_action( 'plugins_loaded' ) ) {
		return $cron;
	}
	$blog_id = get_current_blog_id();
	if ( ! isset( $is_due[ $blog_id ] ) ) {
		$queue = new Queue();
		$grace = setting( 'GRACE', 10 );
		// Do not load FluentCommunity's classes on pages unless something is due.
		$is_due[ $blog_id ] = $queue->heads( 1, true, $grace, true ) && ( has_community() || $queue->heads( 1, false, $grace, true ) );
	}
	if ( ! $is_due[ $blog_id ] ) {
		return $cron;
	}
	// The schedule is ordered by time, and only due events run.
	$first              = min( array_merge( array( time() ), array_filter( array_keys( $cron ), 'is_int' ) ) );
	$hooks              = isset( $cron[ $first ] ) ? $cron[ $first ] : array();
	$hooks[ CRON_HOOK ] = array(
		md5( serialize( array() ) ) => array(
			'schedule' => false,
			'args'     => array(),
		),
	);
	unset( $cron[ $first ] );
	return array( $first => $hooks ) + $cron;
}

/** Removes our event from the schedule before it is stored. */
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

/** Our event is not stored, so there is nothing to remove. */
function unschedule( $pre, $time, $hook ) {
	return CRON_HOOK === $hook ? true : $pre;
}

/** A condition that a retry will not change. */
final class Skip extends RuntimeException {
}

/** The queue cannot be written to. */
final class Unavailable extends RuntimeException {
}

/** The table of the site that is served, whichever site listeners switch to. Times are the database server's, in UTC. */
final class Queue {
	/** What is read of an event, of table `e`. Of these only the attempts change before its end. */
	private const COLUMNS = "e.id, e.run_id, e.user_id, e.kind, e.space_id, e.membership_id, e.is_new, e.role, e.origin, e.attempts,
		e.due_at, e.created_at, COALESCE(e.last_error, '') <> '' AS has_failed";
	/** That nobody has the event, nor has had it since it was read, from a replica perhaps. */
	private const IS_FREE = "state = 'pending' AND due_at <= UTC_TIMESTAMP(3) AND attempts = %d";

	/** @var string */
	private $table;
	/** @var int|null Where to look for users' first events next. */
	private $user_id = null;

	public function __construct() {
		$this->table = table( 'events' );
	}

	/**
	 * Events that can be taken: due for that long, and the first of their users. A glance costs the same however many events and
	 * users wait, and may miss some while the first events of very many users fail.
	 */
	public function heads( int $limit, bool $has_community, int $since = 0, bool $is_glance = false ): array {
		global $wpdb;
		$kinds = $has_community ? '' : "AND e.kind IN ('" . implode( "', '", CORE_KINDS ) . "')";
		$due   = "state = 'pending' AND due_at <= UTC_TIMESTAMP(3) - INTERVAL $since SECOND";
		// The daemon may not have created its tables yet.
		$quiet = $wpdb->suppress_errors();
		try {
			$oldest = (array) $wpdb->get_results(
				"SELECT e.*, NOT EXISTS (SELECT 1 FROM $this->table o
						WHERE o.user_id = e.user_id AND o.state = 'pending' AND o.id < e.id) $kinds AS is_head
				FROM (SELECT " . self::COLUMNS . " FROM $this->table e
					WHERE $due ORDER BY due_at, id LIMIT " . OLDEST . ') e
				ORDER BY e.due_at, e.id',
				ARRAY_A
			);
			$heads  = self::only( $oldest, 'is_head' );
			if ( array() !== $heads || count( $oldest ) < OLDEST ) {
				return array_slice( $heads, 0, $limit );
			}
			// All of them wait for others.
			return $this->firsts( "$due $kinds", $limit, $is_glance );
		} catch ( Throwable $e ) {
			// Some sites configure mysqli to throw.
			return array();
		} finally {
			$wpdb->suppress_errors( $quiet );
		}
	}

	/**
	 * The first events of users that are due, from the user on for whom the previous search found some. The index skips from user to
	 * user. With one state only, MariaDB would read all events of the users before.
	 */
	private function firsts( string $is_due, int $limit, bool $is_glance ): array {
		global $wpdb;
		if ( null === $this->user_id ) {
			$last          = (int) $wpdb->get_var( "SELECT MAX(user_id) FROM $this->table WHERE state = 'pending'" );
			$this->user_id = random_int( 0, max( 0, $last ) );
		}
		$start = $this->user_id;
		$wraps = 0;
		$users = $is_glance ? USERS : MANY_USERS;
		do {
			$firsts = (array) $wpdb->get_results(
				"SELECT f.user_id, f.id, ($is_due) AS is_due FROM (SELECT user_id, MIN(id) AS id FROM $this->table FORCE INDEX (heads)
						WHERE state IN ('pending', '') AND user_id >= $this->user_id
						GROUP BY state, user_id ORDER BY state, user_id LIMIT $users) f
					STRAIGHT_JOIN $this->table e ON e.id = f.id ORDER BY f.user_id",
				ARRAY_A
			);
			$due    = array_slice( self::only( $firsts, 'is_due' ), 0, $limit );
			if ( array() !== $due ) {
				$this->user_id = (int) $due[0]['user_id'];
				$ids           = implode( ', ', array_map( 'intval', array_column( $due, 'id' ) ) );
				return (array) $wpdb->get_results( 'SELECT ' . self::COLUMNS . " FROM $this->table e WHERE id IN ($ids)", ARRAY_A );
			}
			if ( count( $firsts ) === $users ) {
				$this->user_id = 1 + (int) end( $firsts )['user_id'];
			} else {
				$this->user_id = 0;
				++$wraps;
			}
			$is_all = $wraps > 1 || ( 1 === $wraps && $this->user_id >= $start );
		} while ( ! $is_all && ( ! $is_glance || 0 === $this->user_id ) );
		return array();
	}

	/** The events for which this is true. */
	private static function only( array $events, string $condition ): array {
		$is_so = static function ( array $event ) use ( $condition ): bool {
			return (bool) $event[ $condition ];
		};
		return array_values( array_filter( $events, $is_so ) );
	}

	/** Leases the event, unless another process was faster. */
	public function take( array $event ): ?array {
		global $wpdb;
		$lease = bin2hex( random_bytes( 16 ) );
		// The order matters: a lease that is still there belongs to a process that died.
		$taken = $this->write(
			$wpdb->prepare(
				"UPDATE $this->table SET interrupted = interrupted + (lease IS NOT NULL), attempts = attempts + 1,
					lease = UNHEX(%s), due_at = UTC_TIMESTAMP(3) + INTERVAL %d SECOND
				WHERE id = %d AND " . self::IS_FREE,
				$lease,
				setting( 'LEASE', 300 ),
				$event['id'],
				$event['attempts']
			)
		);
		return 1 === $taken ? self::taken( $event, $lease ) : null;
	}

	/**
	 * Records the end of an attempt: `state`, `why`, whether PHP `died`, the `pause` before the next attempt, and the duration
	 * in `ms`. Returns whether it counts: once the lease has expired, another process has the event.
	 */
	public function record( array $event, array $end ): bool {
		global $wpdb;
		$finished = 'pending' === $end['state'] ? 'NULL' : 'UTC_TIMESTAMP(3)';
		$sql      = $wpdb->prepare(
			"UPDATE $this->table SET state = %s, last_error = COALESCE(NULLIF(%s, ''), last_error), lease = NULL,
				interrupted = interrupted + %d, duration_ms = %d, due_at = UTC_TIMESTAMP(3) + INTERVAL %d SECOND,
				finished_at = $finished
			WHERE id = %d AND lease = UNHEX(%s)",
			$end['state'],
			$end['why'],
			$end['died'],
			$end['ms'],
			$end['pause'],
			$event['id'],
			$event['lease']
		);
		return 1 === $this->write( $sql );
	}

	/** Both in one statement, because each commit waits for the disk. Returns whether the end counts, and the event taken. */
	public function record_and_take( array $event, array $end, array $next ): array {
		global $wpdb;
		$lease    = bin2hex( random_bytes( 16 ) );
		$finished = 'pending' === $end['state'] ? 'NULL' : 'UTC_TIMESTAMP(3)';
		$old      = (int) $event['id'];
		$new      = (int) $next['id'];
		$rows     = $this->write(
			$wpdb->prepare(
				"UPDATE $this->table SET interrupted = interrupted + IF(id = $new, lease IS NOT NULL, %d),
					attempts = attempts + (id = $new), state = IF(id = $new, state, %s),
					last_error = IF(id = $new, last_error, COALESCE(NULLIF(%s, ''), last_error)),
					duration_ms = IF(id = $new, duration_ms, %d), finished_at = IF(id = $new, finished_at, $finished),
					due_at = UTC_TIMESTAMP(3) + INTERVAL IF(id = $new, %d, %d) SECOND, lease = IF(id = $new, UNHEX(%s), NULL)
				WHERE id IN ($old, $new) AND (id = $old AND lease = UNHEX(%s) OR id = $new AND " . self::IS_FREE . ')',
				$end['died'],
				$end['state'],
				$end['why'],
				$end['ms'],
				setting( 'LEASE', 300 ),
				$end['pause'],
				$lease,
				$event['lease'],
				$next['attempts']
			)
		);
		if ( 2 === $rows ) {
			return array( true, self::taken( $next, $lease ) );
		}
		// Another process has one of them, or both. Locking reads never go to a replica.
		$sql      = "SELECT 1 FROM $this->table WHERE id = %d AND lease = UNHEX(%s) FOR UPDATE";
		$is_taken = null !== $wpdb->get_var( $wpdb->prepare( $sql, $new, $lease ) );
		return array( $rows > (int) $is_taken, $is_taken ? self::taken( $next, $lease ) : null );
	}

	private static function taken( array $event, string $lease ): array {
		$attempts = (int) $event['attempts'] + 1;
		return compact( 'lease', 'attempts' ) + $event;
	}

	/** Returns the number of rows. Retries after a deadlock or a lost connection: a hook that is not recorded fires again. */
	private function write( string $sql ): int {
		global $wpdb;
		for ( $try = 0; $try < 5; $try++ ) {
			try {
				$rows = $wpdb->query( $sql );
				if ( false !== $rows ) {
					return (int) $rows;
				}
				usleep( 100000 );
				// A listener may have locked tables.
				$wpdb->query( 'UNLOCK TABLES' );
			} catch ( Throwable $e ) {
				usleep( 100000 );
			}
		}
		throw new Unavailable( $wpdb->last_error );
	}
}

/** One run through the queue. While listeners run, `$event` is the event. */
final class Run {
	/** @var Queue */
	private $queue;
	/** @var Surroundings The state that each listener finds. */
	private $surroundings;
	/** @var array<string,mixed>|null The event whose listeners are running. */
	private $event = null;
	/** @var array|null The event whose listeners have returned, and its end, which is recorded before anything else happens. */
	private $ending = null;
	/** @var float When they started. */
	private $since = 0.0;
	/** @var string Memory for the record, in case a listener exhausts it. */
	private $reserve = '';
	/** @var array<string,int|bool> */
	private $ended = array(
		'done'   => 0,
		'failed' => 0,
		'more'   => false,
	);

	/** Takes events until there is none left, or the time is up. */
	public function until_done( int $seconds ): array {
		ignore_user_abort( true );
		// Before plugins' own shutdown functions, which may take long or end PHP.
		add_action( 'shutdown', array( $this, 'cut_short' ), PHP_INT_MIN );
		$this->reserve      = str_repeat( ' ', 1 << 18 );
		$this->surroundings = new Surroundings();
		$this->queue        = new Queue();
		try {
			$this->ended['more'] = ! $this->empty_queue( microtime( true ) + $seconds );
		} catch ( Unavailable $e ) {
			// WordPress has logged the reason. The next run tries again.
			$this->event = null;
		}
		$this->surroundings->leave();
		remove_action( 'shutdown', array( $this, 'cut_short' ), PHP_INT_MIN );
		return $this->ended;
	}

	/**
	 * Goes out instead of what a listener has printed: nothing, or to the daemon the answer, which a listener may end while PHP goes on
	 * (fastcgi_finish_request). Of what is left it says nothing, or the daemon would start one process after another.
	 */
	public function so_far(): string {
		return '' === purpose() ? '' : (string) json_encode( $this->ended );
	}

	/** Returns whether nothing is left that this process can take. */
	private function empty_queue( float $deadline ): bool {
		do {
			$heads = $this->queue->heads( HEADS, has_community() );
			// Keeps concurrent processes from competing for the same event.
			shuffle( $heads );
			$taken = 0;
			foreach ( $heads as $head ) {
				if ( microtime( true ) > $deadline || $this->surroundings->is_short_of_memory() ) {
					$this->settle();
					return false;
				}
				$event = $this->next( $head );
				if ( null !== $event ) {
					++$taken;
					$this->attempt( $event );
				}
			}
			// Only then the next events of the same users are to be had.
			$this->settle();
			if ( 0 === $taken && array() !== $heads ) {
				// Other processes were faster, or a replica lags.
				usleep( 100000 );
			}
		} while ( array() !== $heads );
		return true;
	}

	/** Records the previous event, and takes this one. */
	private function next( array $head ): ?array {
		if ( null === $this->ending ) {
			return $this->queue->take( $head );
		}
		list( $event, $end )    = $this->ending;
		$this->ending           = null;
		list( $counts, $taken ) = $this->queue->record_and_take( $event, $end, $head );
		$this->count( $end, $counts );
		return $taken;
	}

	/** Records the previous event. */
	private function settle(): void {
		if ( null !== $this->ending ) {
			list( $event, $end ) = $this->ending;
			$this->ending        = null;
			$this->count( $end, $this->queue->record( $event, $end ) );
		}
	}

	private function count( array $end, bool $counts ): void {
		if ( $counts ) {
			++$this->ended[ in_array( $end['state'], array( 'done', 'skipped' ), true ) ? 'done' : 'failed' ];
		}
	}

	private function attempt( array $event ): void {
		$this->event = $event;
		$this->since = microtime( true );
		if ( (int) $event['attempts'] > setting( 'ATTEMPTS', 10 ) ) {
			$this->end( 'dead', $event['has_failed'] ? '' : 'PHP died in the middle of it, or took longer than the lease, each time' );
			return;
		}
		ob_start( array( $this, 'so_far' ) );
		$failure = null;
		try {
			fire( $event );
		} catch ( Throwable $e ) {
			$failure = $e;
		}
		$this->surroundings->restore();
		if ( ! wp_using_ext_object_cache() ) {
			// The copies would stay in memory for as long as the run.
			drop_copies( (int) $event['user_id'] );
		}
		if ( null === $failure ) {
			$this->end( 'done' );
		} elseif ( $failure instanceof Skip ) {
			$this->end( 'skipped', $failure->getMessage() );
		} else {
			$this->fail( get_class( $failure ) . ': ' . $failure->getMessage(), $failure->getFile(), $failure->getLine() );
		}
	}

	/** A listener or an error has ended PHP. */
	public function cut_short(): void {
		if ( null === $this->event ) {
			return;
		}
		$this->reserve = '';
		$this->surroundings->clear_up();
		$error = error_get_last();
		$fatal = E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR | E_USER_ERROR | E_RECOVERABLE_ERROR;
		try {
			if ( is_array( $error ) && ( $error['type'] & $fatal ) ) {
				$this->fail( $error['message'], $error['file'], $error['line'], true );
			} else {
				$this->fail( 'a listener ended PHP', '', 0, true );
			}
			$this->settle();
		} catch ( Unavailable $e ) {
			return;
		}
		if ( '' !== purpose() ) {
			report( array_merge( $this->ended, array( 'more' => true ) ) );
		}
	}

	/** Schedules a retry, or gives up. */
	private function fail( string $why, string $file, int $line, bool $has_died = false ): void {
		$why      = legible( '' === $file ? $why : "$why in $file:$line" );
		$attempts = (int) $this->event['attempts'];
		if ( $attempts >= setting( 'ATTEMPTS', 10 ) ) {
			$this->end( 'dead', $why, $has_died );
			return;
		}
		$pause = min( LONGEST_RETRY, setting( 'FIRST_RETRY', 10 ) * 2 ** ( $attempts - 1 ) );
		$this->end( 'pending', $why, $has_died, (int) $pause );
	}

	private function end( string $state, string $why = '', bool $has_died = false, int $pause = 0 ): void {
		$end         = array(
			'state' => $state,
			'why'   => $why,
			'died'  => (int) $has_died,
			'pause' => $pause,
			'ms'    => (int) round( ( microtime( true ) - $this->since ) * 1000 ),
		);
		$this->ending = array( $this->event, $end );
		$this->event  = null;
	}
}

/** Restores what a listener would find in a request of its own, whatever the previous one has left behind. */
final class Surroundings {
	/** @var int */
	private $buffers;
	/** @var int */
	private $switched;
	/** @var int */
	private $blog_id;
	/** @var int */
	private $user_id;
	/** @var callable|null */
	private $error_handler;
	/** @var int|null */
	private $reports;
	/** @var int */
	private $memory;
	/** @var array<string,array> WordPress's counts of the hooks that were fired, and those that are being fired. */
	private $counters = array();
	/** @var string|null */
	private $https;

	public function __construct() {
		$this->buffers       = ob_get_level();
		$this->switched      = self::switched();
		$this->blog_id       = get_current_blog_id();
		$this->user_id       = get_current_user_id();
		$this->error_handler = self::error_handler();
		$this->reports       = class_exists( 'mysqli_driver' ) ? ( new mysqli_driver() )->report_mode : null;
		$this->memory        = memory_get_usage( true );
		$this->https         = $_SERVER['HTTPS'] ?? null;
		foreach ( array( 'wp_actions', 'wp_filters', 'wp_current_filter' ) as $name ) {
			if ( isset( $GLOBALS[ $name ] ) ) {
				$this->counters[ $name ] = $GLOBALS[ $name ];
			}
		}
		$this->filter( 'add_filter' );
		// For plugins that read from replicas: one that lags does not have the new users yet.
		if ( method_exists( $GLOBALS['wpdb'], 'send_reads_to_masters' ) ) {
			$GLOBALS['wpdb']->send_reads_to_masters();
		}
		$this->restore();
	}

	public function leave(): void {
		$this->filter( 'remove_filter' );
		if ( null === $this->https ) {
			unset( $_SERVER['HTTPS'] );
		} else {
			$_SERVER['HTTPS'] = $this->https;
		}
	}

	public function restore(): void {
		$this->clear_up();
		foreach ( $this->counters as $name => $counter ) {
			$GLOBALS[ $name ] = $counter;
		}
	}

	/** The same at the end of PHP, which goes on counting. */
	public function clear_up(): void {
		// With exceptions, other work of this process would end at database errors that WordPress takes in its stride.
		if ( null !== $this->reports ) {
			mysqli_report( $this->reports );
		}
		self::end_transaction();
		while ( ob_get_level() > $this->buffers && ob_end_clean() ) {
			continue;
		}
		if ( ! headers_sent() ) {
			// A visitor's request may have started WP-Cron.
			header_remove( 'Set-Cookie' );
			header_remove( 'Location' );
			status_header( 200 );
		}
		while ( self::switched() > $this->switched ) {
			restore_current_blog();
		}
		if ( get_current_blog_id() !== $this->blog_id ) {
			switch_to_blog( $this->blog_id );
		}
		wp_set_current_user( $this->user_id );
		if ( is_locale_switched() ) {
			restore_current_locale();
		}
		if ( self::error_handler() !== $this->error_handler ) {
			set_error_handler( $this->error_handler );
		}
		believe_in_https();
		if ( function_exists( 'set_time_limit' ) ) {
			set_time_limit( setting( 'LEASE', 300 ) );
		}
	}

	/** Whether listeners have used up half of the memory that was available to them. */
	public function is_short_of_memory(): bool {
		$limit = wp_convert_hr_to_bytes( (string) ini_get( 'memory_limit' ) );
		return $limit > $this->memory && memory_get_usage( true ) - $this->memory > ( $limit - $this->memory ) / 2;
	}

	/** A transaction that a listener left open would be rolled back when PHP ends, together with what we record. */
	private static function end_transaction(): void {
		global $wpdb;
		try {
			$wpdb->query( 'ROLLBACK' );
			$wpdb->query( 'SET autocommit = 1' );
		} catch ( Throwable $e ) {
			return;
		}
	}

	private static function switched(): int {
		return is_multisite() && ms_is_switched() ? count( (array) $GLOBALS['_wp_switched_stack'] ) : 0;
	}

	/** The current error handler. */
	private static function error_handler(): ?callable {
		$handler = set_error_handler( null );
		restore_error_handler();
		return $handler;
	}

	/** Makes `wp_die` in a listener an ordinary error instead of the end of the run, and sends no login cookies. */
	private function filter( string $change ): void {
		foreach ( array( '', '_json', '_jsonp', '_ajax', '_xml', '_xmlrpc' ) as $kind ) {
			$change( "wp_die{$kind}_handler", array( $this, 'instead_of_dying' ), PHP_INT_MAX );
		}
		$change( 'send_auth_cookies', '__return_false', PHP_INT_MAX );
	}

	public function instead_of_dying(): callable {
		return static function ( $message ): void {
			$text = is_wp_error( $message ) ? $message->get_error_message() : $message;
			throw new RuntimeException( 'wp_die: ' . wp_strip_all_tags( is_scalar( $text ) ? (string) $text : '' ) );
		};
	}
}

/*
 * wp-admin: the console, a notice on the dashboard, and Site Health.
 */

/** The daemon cannot be asked. The message is a key of WHY_UNREACHED. */
final class Unreached extends RuntimeException {
}

/** Why the daemon cannot be asked, and what to do; %s is its address. The last ones the daemon says itself. */
const WHY_UNREACHED = array(
	'closed'          => 'Define FCOM_SIDECAR_SECRET in wp-config.php with the value of relay.secret in the daemon’s configuration, at least 16 characters.',
	'forbidden'       => 'PHP may not open connections here: allow stream_socket_client in disable_functions of php.ini.',
	'denied'          => 'PHP may not connect to %s. If it is a Unix socket, let fcom-sidecar-admin.socket make it, with a group of its own that PHP’s user and the daemon’s are in (SocketGroup=). If SELinux forbids it: setsebool -P httpd_can_network_connect on',
	'away'            => 'Nothing answers at %s. If the daemon listens elsewhere, define FCOM_SIDECAR_CONSOLE in wp-config.php with its server.admin_listen; otherwise look on the server: systemctl status fcom-sidecar',
	'silent'          => 'The daemon at %s does not answer in time. Look on the server: systemctl status fcom-sidecar',
	'foreign'         => 'What answers at %s is no daemon of this release, so nothing of its answer is shown. Update the daemon, or correct FCOM_SIDECAR_CONSOLE in wp-config.php.',
	'no_secret'       => 'The daemon at %s has no relay.secret: set it to the value of FCOM_SIDECAR_SECRET in wp-config.php, and restart the daemon.',
	'wrong_signature' => 'The daemon at %s has another secret: relay.secret and FCOM_SIDECAR_SECRET in wp-config.php differ.',
	'wrong_time'      => 'The clocks of the daemon at %s and of this machine differ, or the daemon was started just now. Try again; then set the clocks.',
	'replayed'        => 'The daemon at %s has had this very request before. Try again.',
	'too_large'       => 'The daemon at %s takes no form as large as this one. The command line tries a sender’s body of any length: fcom-sidecar source try NAME FILE',
	'too_many'        => 'The daemon at %s had too many requests in five minutes. Wait, and close tabs.',
	'unreadable'      => 'The daemon at %s is of another release than fcom-sidecar.php: use the file that comes with the daemon.',
	'other_site'      => 'The daemon at %s serves another site, with another database or other tables. On a copy of a site, define FCOM_SIDECAR_CONSOLE in wp-config.php as false, or as the address of the copy’s daemon; on a network, as an array with the address of each site’s daemon by the site’s id.',
	'unknown_host'    => 'The daemon at %s is not known by this name: add it to server.admin_hosts in its configuration.',
);

/** The admin listener of the daemon that serves this site. */
final class Daemon {
	/** The headers of an answer that reach the browser, in the order in which they are signed. */
	private const PASSED_ON = array(
		'cache-control',
		'content-security-policy',
		'content-type',
		'location',
		'referrer-policy',
		'retry-after',
		'x-content-type-options',
		'x-frame-options',
	);
	private const LONGEST_ANSWER = 1 << 23;
	/** Linux's number of the error "Permission denied". */
	private const EACCES = 13;

	/** @var string For people. */
	public $address;
	/** @var string For stream_socket_client. */
	private $remote;
	/** @var string */
	private $host;

	private function __construct( string $address ) {
		$this->address = $address;
		if ( 0 === strpos( $address, 'unix:' ) ) {
			$this->remote = 'unix://' . preg_replace( '~^unix:(?://)?~', '', $address );
			$this->host   = 'localhost';
			return;
		}
		$host         = rtrim( (string) preg_replace( '~^http://~i', '', $address ), '/' );
		$this->host   = preg_match( '~:\d+$~', $host ) ? $host : $host . ':' . ADMIN_PORT;
		$this->remote = 'tcp://' . $this->host;
	}

	/** Null if wp-config.php says that there is none. */
	public static function of_this_site(): ?self {
		$given = defined( 'FCOM_SIDECAR_CONSOLE' ) ? constant( 'FCOM_SIDECAR_CONSOLE' ) : ADMIN_LISTENER;
		if ( is_array( $given ) ) {
			$given = $given[ get_current_blog_id() ] ?? '';
		} elseif ( is_multisite() && ! is_main_site() ) {
			$given = '';
		}
		$address = is_string( $given ) ? trim( $given ) : '';
		// It becomes a line of the request.
		return preg_match( '~^[\x21-\x7e]+$~D', $address ) ? new self( $address ) : null;
	}

	/**
	 * Passes a request on to the console, in the name of the user who is logged in. Returns status, headers and body of the answer.
	 */
	public function ask( string $method, string $target, string $body, int $seconds ): array {
		$secret = secret();
		if ( '' === $secret ) {
			throw new Unreached( 'closed' );
		}
		$target  = "/console/$target";
		$time    = (string) time();
		$nonce   = bin2hex( random_bytes( 16 ) );
		$visitor = self::visitor();
		$purpose = implode( "\n", array( 'console', $nonce, $method, $target, hash( 'sha256', $body ), $visitor ) );
		$lines   = array(
			"$method $target HTTP/1.1",
			"Host: $this->host",
			'Connection: close',
			'Content-Type: application/x-www-form-urlencoded',
			'Content-Length: ' . strlen( $body ),
			"X-Fcom-Sidecar-Time: $time",
			"X-Fcom-Sidecar-Nonce: $nonce",
			"X-Fcom-Sidecar-Visitor: $visitor",
			'X-Fcom-Sidecar-Signature: ' . signature( $time, $purpose, $secret ),
		);
		if ( isset( $_SERVER['HTTP_HX_REQUEST'] ) ) {
			// An open page asks by itself for what has changed.
			$lines[] = 'HX-Request: true';
		}
		$answer = self::parse( $this->exchange( implode( "\r\n", $lines ) . "\r\n\r\n" . $body, $seconds ) );
		// Whatever else listens at this address must not get its pages into wp-admin.
		$purpose = array( 'console answer', $nonce, (string) $answer['status'] );
		foreach ( self::PASSED_ON as $name ) {
			$purpose[] = $answer['headers'][ $name ] ?? '';
		}
		$purpose[] = hash( 'sha256', $answer['body'] );
		$given     = $answer['headers']['x-fcom-sidecar-signature'] ?? '';
		if ( hash_equals( signature( $time, implode( "\n", $purpose ), $secret ), $given ) ) {
			$answer['headers'] = array_intersect_key( $answer['headers'], array_flip( self::PASSED_ON ) );
			return $answer;
		}
		$said = json_decode( $answer['body'], true );
		$code = is_array( $said ) && isset( $said['code'] ) && is_string( $said['code'] ) ? $said['code'] : '';
		$code = 413 === $answer['status'] ? 'too_large' : $code;
		throw new Unreached( isset( WHY_UNREACHED[ $code ] ) ? $code : 'foreign' );
	}

	/** Who asks, for which site, and how the links of a page begin. */
	private static function visitor(): string {
		$user = wp_get_current_user();
		$all  = array(
			'site'     => $GLOBALS['wpdb']->prefix,
			'database' => (string) $GLOBALS['wpdb']->get_var( 'SELECT DATABASE()' ),
			'user'     => (int) $user->ID,
			'login'    => (string) $user->user_login,
			// WP-Cron and Site Health ask for others, too.
			'may'      => current_user_can( 'manage_options' ) ? 'manage' : 'look',
			'session'  => hash( 'sha256', wp_get_session_token() ),
			'base'     => frame_base(),
		);
		return base64_encode( (string) json_encode( $all, JSON_INVALID_UTF8_SUBSTITUTE ) );
	}

	/** Not by WordPress's own functions, which know no sockets, may refuse local addresses, and show requests to other plugins. */
	private function exchange( string $request, int $seconds ): string {
		if ( ! function_exists( 'stream_socket_client' ) ) {
			throw new Unreached( 'forbidden' );
		}
		$until  = microtime( true ) + $seconds;
		$stream = @stream_socket_client( $this->remote, $number, $why, GLANCE );
		if ( ! $stream ) {
			throw new Unreached( self::EACCES === $number ? 'denied' : 'away' );
		}
		stream_set_timeout( $stream, $seconds );
		do {
			$sent    = (int) @fwrite( $stream, $request );
			$request = substr( $request, $sent );
		} while ( $sent > 0 && '' !== $request );
		$answer = '';
		while ( ! feof( $stream ) && strlen( $answer ) < self::LONGEST_ANSWER ) {
			$left = $until - microtime( true );
			if ( $left <= 0 ) {
				break;
			}
			stream_set_timeout( $stream, (int) $left, (int) ( fmod( $left, 1 ) * 1000000 ) );
			$answer .= (string) @fread( $stream, 1 << 16 );
		}
		fclose( $stream );
		return $answer;
	}

	private static function parse( string $answer ): array {
		list( $head, $body ) = array_pad( explode( "\r\n\r\n", $answer, 2 ), 2, '' );
		$lines               = explode( "\r\n", $head );
		if ( ! preg_match( '~^HTTP/1\.[01] (\d{3})~', $lines[0], $found ) ) {
			throw new Unreached( '' === $answer ? 'silent' : 'foreign' );
		}
		$headers = array();
		foreach ( array_slice( $lines, 1 ) as $line ) {
			list( $name, $value )            = array_pad( explode( ':', $line, 2 ), 2, '' );
			$headers[ strtolower( $name ) ] = trim( $value );
		}
		if ( isset( $headers['content-length'] ) && strlen( $body ) < (int) $headers['content-length'] ) {
			throw new Unreached( 'silent' );
		}
		$status = (int) $found[1];
		return compact( 'status', 'headers', 'body' );
	}
}

/** How the links of a page begin: with a nonce, which admits the user who is logged in for a day. */
function frame_base(): string {
	return 'admin-ajax.php?action=' . CONSOLE . '&_wpnonce=' . wp_create_nonce( CONSOLE ) . '&path=';
}

/**
 * What a request of the frame asks for below /console/: all that follows "path=", as it stands there. A form adds its fields to
 * it. Null if that cannot be a page of the console.
 */
function frame_target( string $query ): ?string {
	if ( strlen( $query ) > 8000 || ! preg_match( '~(?:^|&)path=([^?&]*)(?:[?&](.*))?$~sD', $query, $found ) ) {
		return null;
	}
	$path       = rawurldecode( $found[1] );
	$parameters = $found[2] ?? '';
	if ( ! preg_match( '~^(?:[a-z0-9_-]+(?:[./][a-z0-9_-]+)*)?$~D', $path ) || preg_match( '~[^\x21-\x7e]|#~', $parameters ) ) {
		return null;
	}
	return '' === $parameters ? $path : "$path?$parameters";
}

function add_page(): void {
	if ( null === Daemon::of_this_site() ) {
		return;
	}
	$community = 'fluent-community';
	$parent    = isset( $GLOBALS['admin_page_hooks'][ $community ] ) ? $community : 'tools.php';
	add_submenu_page( $parent, 'Sidecar', 'Sidecar', 'manage_options', PAGE, __NAMESPACE__ . '\show_page' );
}

/** The page; `path` in its address opens a page of the console. */
function show_page(): void {
	$path   = isset( $_GET['path'] ) && is_string( $_GET['path'] ) ? frame_target( 'path=' . wp_unslash( $_GET['path'] ) ) : '';
	$source = frame_base() . $path;
	echo '<style>#fcom-sidecar{display:block;width:100%;height:calc(100vh - 150px);min-height:480px}</style>';
	echo '<div class="wrap"><h1>Sidecar</h1><iframe id="fcom-sidecar" title="Sidecar" src="', esc_attr( $source ), '"></iframe></div>';
}

/** Answers the frame: a page of the console, to who may see it. */
function show_console(): void {
	$daemon = Daemon::of_this_site();
	if ( null !== $daemon && ! is_user_logged_in() ) {
		// Not the log-in's own address, which plugins hide from strangers.
		apologize( 403, 'You are logged out', 'Nothing was changed.', admin_url(), 'Log in' );
	}
	if ( null === $daemon || ! current_user_can( 'manage_options' ) ) {
		apologize( 403, 'Sorry, you are not allowed to access this page.', '', admin_url(), 'Dashboard' );
	}
	// Whoever has stolen a page's keys must not have them used from a page of another site.
	if ( 'POST' === $_SERVER['REQUEST_METHOD'] && 'same-origin' !== ( $_SERVER['HTTP_SEC_FETCH_SITE'] ?? 'same-origin' ) ) {
		apologize( 403, 'Sorry, you are not allowed to access this page.', '', admin_url(), 'Dashboard' );
	}
	$nonce = $_GET['_wpnonce'] ?? '';
	if ( ! is_string( $nonce ) || ! wp_verify_nonce( $nonce, CONSOLE ) ) {
		apologize( 403, 'This page has expired', 'Nothing was changed. Open it again, then repeat what you did.', frame_base() );
	}
	$target = frame_target( (string) ( $_SERVER['QUERY_STRING'] ?? '' ) );
	if ( null === $target ) {
		apologize( 404, 'There is no such page', '', frame_base() );
	}
	if ( headers_sent( $file, $line ) ) {
		// It cannot be taken back: a page would come without its policy, and a change end in an empty frame.
		$why = sprintf( 'Nothing was changed: another plugin, or PHP itself, has sent something before. It comes from line %2$d of %1$s.', $file, $line );
		apologize( 500, 'Sidecar cannot be shown', $why, frame_base() );
	}
	$is_post = 'POST' === $_SERVER['REQUEST_METHOD'];
	$body    = $is_post ? (string) file_get_contents( 'php://input' ) : '';
	try {
		$answer = $daemon->ask( $is_post ? 'POST' : 'GET', $target, $body, PATIENT );
	} catch ( Unreached $e ) {
		$why = sprintf( WHY_UNREACHED[ $e->getMessage() ], $daemon->address );
		apologize( 503, 'Sidecar cannot be asked', $why, frame_base() . ( $is_post ? '' : $target ) );
	}
	$headers = array();
	foreach ( $answer['headers'] as $name => $value ) {
		$headers[] = "$name: $value";
	}
	send( $answer['status'], $headers, $answer['body'] );
	exit;
}

/** Ends the request with a page that says why there is none of the console. One that leaves the frame has its name for the link. */
function apologize( int $status, string $title, string $text, string $link, string $name = '' ): void {
	$headers = array(
		'Content-Type: text/html; charset=UTF-8',
		'Cache-Control: no-store',
		"Content-Security-Policy: default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
		'X-Content-Type-Options: nosniff',
		'X-Frame-Options: SAMEORIGIN',
		'Referrer-Policy: same-origin',
	);
	if ( 403 === $status ) {
		// An open page that asks for news shows this one instead.
		$headers[] = 'HX-Refresh: true';
	}
	$page    = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>%1$s</title>'
		. '<link rel="stylesheet" href="css/common.min.css"></head><body class="wp-core-ui"><h2>%1$s</h2><p>%2$s</p>'
		. '<p><a href="%3$s"%4$s>%5$s</a></p></body></html>';
	$target  = '' === $name ? '' : ' target="_top"';
	$name    = '' === $name ? 'Open it again' : $name;
	send( $status, $headers, sprintf( $page, esc_html( $title ), esc_html( $text ), esc_attr( $link ), $target, esc_html( $name ) ) );
	exit;
}

/**
 * What the daemon says about itself, at most a minute old: it is asked once a minute at most, whether it answers or not. `problem` is a
 * key of WHY_UNREACHED, or empty; `said` what it said, empty while it is being asked.
 */
function state( Daemon $daemon ): array {
	$state = get_transient( STATE );
	if ( ! is_array( $state ) || ! isset( $state['problem'], $state['said'] ) ) {
		// Nobody else asks meanwhile.
		$state = array(
			'problem' => '',
			'said'    => array(),
		);
		set_transient( STATE, $state, MINUTE_IN_SECONDS );
		$state = asked( $daemon, 'status', GLANCE );
		set_transient( STATE, $state, MINUTE_IN_SECONDS );
	}
	return $state;
}

function asked( Daemon $daemon, string $target, int $seconds ): array {
	try {
		$answer = $daemon->ask( 'GET', $target, '', $seconds );
		$said   = 200 === $answer['status'] ? json_decode( $answer['body'], true ) : null;
		return array(
			'problem' => is_array( $said ) ? '' : 'unreadable',
			'said'    => is_array( $said ) ? $said : array(),
		);
	} catch ( Unreached $e ) {
		return array(
			'problem' => $e->getMessage(),
			'said'    => array(),
		);
	}
}

/** Whether the daemon does what it should: status and label for Site Health, and what to do. */
function judge_work( Daemon $daemon, array $state ): array {
	$problem = $state['problem'];
	if ( '' === $problem ) {
		$trouble = $state['said']['trouble'] ?? null;
		if ( null !== $trouble ) {
			return array( 'critical', 'Sidecar executes no calls', "{$trouble['what']}. {$trouble['remedy']}" );
		}
		return array() === $state['said']
			? array( 'good', 'Sidecar is being asked', 'Look again in a moment.' )
			: array( 'good', 'Sidecar runs', 'The daemon answers, and executes the calls of webhooks.' );
	}
	$why = sprintf( WHY_UNREACHED[ $problem ], $daemon->address );
	// Each daemon notes every few seconds that it runs.
	$running = query( 'SELECT 1 FROM ' . table( 'instances' ) . ' WHERE seen_at > UTC_TIMESTAMP() - INTERVAL 60 SECOND LIMIT 1' );
	if ( array() === $running && in_array( $problem, array( 'away', 'silent', 'foreign' ), true ) ) {
		return array( 'critical', 'Sidecar does not run', "Until it does, WordPress executes the calls itself if the web server passes them on, and mails and hooks wait. $why" );
	}
	return array( 'recommended', 'wp-admin cannot ask the Sidecar', $why );
}

function judge_release( array $said ): array {
	$file = digest();
	if ( EDITION === $said['plugin'] && $file === $said['plugin'] ) {
		return array( 'good', 'fcom-sidecar.php belongs to the daemon', 'Plugin and daemon are of the same release.' );
	}
	if ( $file === $said['plugin'] ) {
		return array( 'recommended', 'PHP still runs an older fcom-sidecar.php', 'The file is the one that belongs to the daemon. Reload PHP-FPM: with opcache.validate_timestamps=0 it does not look for changed files.' );
	}
	$text = sprintf( 'This is fcom-sidecar.php %s; the daemon is of release %s and comes with another one. Copy that to the folder of must-use plugins.', VERSION, $said['version'] );
	return array( 'recommended', 'fcom-sidecar.php is not the one that belongs to the daemon', $text );
}

function judge_leftovers( array $said ): array {
	$left = array();
	foreach ( array( 'mail', 'hook' ) as $what ) {
		$count = (int) ( $said[ "{$what}s_given_up" ] ?? 0 );
		if ( $count > 0 ) {
			$left[] = 1 === $count ? "1 $what" : number_format_i18n( $count ) . " {$what}s";
		}
	}
	if ( array() === $left ) {
		return array( 'good', 'Sidecar has given up nothing', 'All mails and hooks have left, or are tried again.' );
	}
	$label = 'Sidecar has given up ' . implode( ' and ', $left );
	return array( 'recommended', $label, 'Members have not got their mails, or plugins have not heard of them. The console says why, and tries again.' );
}

/** On the dashboard: what needs somebody. */
function show_notice(): void {
	$screen = get_current_screen();
	$daemon = Daemon::of_this_site();
	if ( ! $screen || 'dashboard' !== $screen->id || null === $daemon || ! current_user_can( 'manage_options' ) ) {
		return;
	}
	$state = state( $daemon );
	foreach ( array( judge_work( $daemon, $state ), judge_leftovers( $state['said'] ) ) as $index => list( $status, $label, $text ) ) {
		// That wp-admin has not been told how to ask is for Site Health.
		if ( 'good' !== $status && ( 1 === $index || 'critical' === $status ) ) {
			$kind = 'critical' === $status ? 'error' : 'warning';
			printf( '<div class="notice notice-%s"><p><strong>%s.</strong> %s ', esc_attr( $kind ), esc_html( $label ), esc_html( $text ) );
			printf( '<a href="%s">Open the console</a></p></div>', esc_url( menu_page_url( PAGE, false ) ) );
		}
	}
}

function add_health_tests( $tests ) {
	$daemon = Daemon::of_this_site();
	// WP-Cron counts the results, and shows none.
	$may = current_user_can( 'manage_options' ) || wp_doing_cron();
	if ( null === $daemon || ! $may || ! is_array( $tests ) ) {
		return $tests;
	}
	$state   = state( $daemon );
	$results = array( 'fcom_sidecar_work' => judge_work( $daemon, $state ) );
	if ( array() !== $state['said'] ) {
		$results['fcom_sidecar_release']   = judge_release( $state['said'] );
		$results['fcom_sidecar_leftovers'] = judge_leftovers( $state['said'] );
	}
	foreach ( $results as $name => $result ) {
		$tests['direct'][ $name ] = array(
			'label' => 'Sidecar',
			'test'  => static function () use ( $name, $result ): array {
				return health_result( $name, ...$result );
			},
		);
	}
	// It takes seconds, so the page asks for it afterwards.
	$tests['async']['fcom_sidecar_check'] = array(
		'label'             => 'Sidecar: check',
		'test'              => CHECK,
		'async_direct_test' => __NAMESPACE__ . '\health_check',
	);
	return $tests;
}

/** What the daemon's own checks complain about. */
function health_check(): array {
	$daemon     = Daemon::of_this_site();
	$state      = $daemon ? asked( $daemon, 'status?check=1', PATIENT ) : array( 'said' => array() );
	$complaints = $state['said']['complaints'] ?? null;
	if ( ! is_array( $complaints ) ) {
		return health_result( 'fcom_sidecar_check', 'recommended', 'Sidecar’s checks could not be asked for', 'Another test says why. On the server: fcom-sidecar check' );
	}
	if ( array() === $complaints ) {
		return health_result( 'fcom_sidecar_check', 'good', 'Sidecar’s checks found nothing', 'All that the daemon needs is as it should be.' );
	}
	$status = in_array( true, array_column( $complaints, 'is_bad' ), true ) ? 'critical' : 'recommended';
	$texts  = array();
	foreach ( $complaints as $one ) {
		$texts[] = "{$one['what']}. {$one['remedy']}";
	}
	return health_result( 'fcom_sidecar_check', $status, 'Sidecar’s checks found something to mend', ...$texts );
}

function answer_health_check(): void {
	check_ajax_referer( 'health-check-site-status' );
	if ( ! current_user_can( 'view_site_health_checks' ) || ! current_user_can( 'manage_options' ) ) {
		wp_send_json_error();
	}
	wp_send_json_success( health_check() );
}

function health_result( string $test, string $status, string $label, string ...$texts ): array {
	$badge       = array(
		'label' => 'FluentCommunity',
		'color' => 'blue',
	);
	$description = '';
	foreach ( $texts as $text ) {
		$description .= '<p>' . esc_html( $text ) . '</p>';
	}
	$actions = '';
	return compact( 'test', 'status', 'label', 'badge', 'description', 'actions' );
}

/*
 * The hooks.
 */

/** Drops stale copies of the user, and fires the event's hook as PHP would have. */
function fire( array $event ): void {
	$id   = (int) $event['user_id'];
	$role = (string) $event['role'];
	forget_user( $id );
	$user = get_userdata( $id );
	if ( ! $user ) {
		throw gone( $GLOBALS['wpdb']->users, $id, 'the user was deleted' );
	}
	switch ( $event['kind'] ) {
		case 'user_changed':
			clean_user_cache( $id );
			announce_key( $user );
			break;
		case 'add_user_role':
			do_action( 'add_user_role', $id, $role );
			break;
		case 'set_user_role':
			do_action( 'set_user_role', $id, $role, array() );
			break;
		case 'user_register':
			clean_user_cache( $id );
			do_action( 'user_register', $id, userdata( $user, $role ) );
			break;
		case 'add_user_to_blog':
			wp_cache_delete( get_current_blog_id() . '_user_count', 'blog-details' );
			do_action( 'add_user_to_blog', $id, $role, get_current_blog_id() );
			break;
		case 'welcome_mail':
			send_welcome_mail( $id );
			break;
		default:
			fire_of_community( $event, $id );
	}
}

/** Hooks of memberships. */
function fire_of_community( array $event, int $user_id ): void {
	if ( ! isset( COMMUNITY_KINDS[ $event['kind'] ] ) ) {
		throw new RuntimeException( 'this version of the plugin does not know this kind of event' );
	}
	list( $hook, $class ) = COMMUNITY_KINDS[ $event['kind'] ];
	$space                = $class::find( (int) $event['space_id'] );
	if ( ! $space ) {
		throw new Skip( 'the space or course was deleted' );
	}
	$arguments = array( $space, $user_id, (string) $event['origin'] );
	if ( 'space_left' === $event['kind'] || 'course_left' === $event['kind'] ) {
		renew_space_ids( $user_id );
	} else {
		$membership = past_membership( $event ) ?? present_membership( $event );
		if ( $event['is_new'] ) {
			$arguments[] = $membership;
		}
	}
	do_action( $hook, ...$arguments );
}

/** As FluentCommunity does before it fires the hook: since the call, listeners may have made the user a member of more. */
function renew_space_ids( int $user_id ): void {
	$class = PERSON;
	$user  = class_exists( $class ) ? $class::find( $user_id ) : null;
	if ( $user && method_exists( $user, 'cacheAccessSpaces' ) ) {
		$user->cacheAccessSpaces();
	}
}

/** The membership that the user got. */
function present_membership( array $event ): object {
	$id         = (int) $event['membership_id'] ?: new_membership( (int) $event['space_id'], (int) $event['user_id'] );
	$class      = MEMBER;
	$membership = $id ? $class::find( $id ) : null;
	if ( ! $membership ) {
		throw gone( $GLOBALS['wpdb']->prefix . 'fcom_space_user', $id, 'the membership is gone' );
	}
	return $membership;
}

/**
 * The same if it has ended since, as it was; null if the queue knows of no end. One that joins and leaves in one call never had
 * a row, and has no id.
 */
function past_membership( array $event ): ?object {
	global $wpdb;
	// A replica that does not have this event yet still has the row.
	$sql   = 'SELECT membership_id AS id FROM ' . table( 'events' ) . " WHERE user_id = %d AND space_id = %d AND id > %d
		AND kind IN ('space_left', 'course_left') ORDER BY id LIMIT 1";
	$ended = $wpdb->get_row( $wpdb->prepare( $sql, $event['user_id'], $event['space_id'], $event['id'] ) );
	if ( '' !== $wpdb->last_error ) {
		throw new RuntimeException( 'the database does not tell whether the membership has ended' );
	}
	if ( ! $ended ) {
		return null;
	}
	$sql   = $wpdb->prepare( 'SELECT created_at FROM ' . table( 'runs' ) . ' WHERE id = %d', $event['run_id'] );
	$since = get_date_from_gmt( $wpdb->get_var( $sql ) ?: substr( $event['created_at'], 0, 19 ) );
	$class = MEMBER;
	return ( new $class() )->newFromBuilder(
		array(
			'id'         => $ended->id,
			'space_id'   => $event['space_id'],
			'user_id'    => $event['user_id'],
			'status'     => 'active',
			'role'       => $event['role'] ?: ( 'course_enrolled' === $event['kind'] ? 'student' : 'member' ),
			'meta'       => null,
			'created_at' => $since,
			'updated_at' => $since,
		)
	);
}

/** The row of a new membership, whose id the call did not query; 0 if there is none. The user_id column is a VARCHAR. */
function new_membership( int $space_id, int $user_id ): int {
	global $wpdb;
	$sql = "SELECT MAX(id) FROM {$wpdb->prefix}fcom_space_user WHERE space_id = %d AND user_id = %s";
	$sql = $wpdb->prepare( $sql, $space_id, (string) $user_id );
	// Before it counts as gone, look on the primary server.
	$id = $wpdb->get_var( $sql ) ?: $wpdb->get_var( "$sql FOR UPDATE" );
	if ( '' !== $wpdb->last_error ) {
		throw new RuntimeException( 'the database does not tell the membership' );
	}
	return (int) $id;
}

/** A row that WordPress does not find may be missing on a lagging replica only. Locking reads never go to a replica. */
function gone( string $table, int $id, string $reason ): RuntimeException {
	global $wpdb;
	$found = $wpdb->get_var( $wpdb->prepare( "SELECT 1 FROM $table WHERE id = %d FOR UPDATE", $id ) );
	if ( null === $found && '' === $wpdb->last_error ) {
		return new Skip( $reason );
	}
	return new RuntimeException( 'the database from which WordPress reads does not have the row yet' );
}

/** What PHP passes to wp_insert_user, with slashes as there. The hash replaces the password, which is not known here. */
function userdata( WP_User $user, string $role ): array {
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

/**
 * Fires what get_password_reset_key fires, for the key that the daemon has stored; without retrieve_password_key, which passes the
 * key itself. Nothing but the key has changed, and nothing is written: wp_update_user would escape the address again.
 */
function announce_key( WP_User $user ): void {
	global $wp_version;
	do_action_deprecated( 'retreive_password', array( $user->user_login ), '1.5.1', 'retrieve_password' );
	do_action( 'retrieve_password', $user->user_login );
	$old                            = clone $user;
	$old->data                      = clone $user->data;
	$old->data->user_activation_key = '';
	$data                           = $old->to_array();
	foreach ( _get_additional_user_keys( $user ) as $key ) {
		$data[ $key ] = get_user_meta( $user->ID, $key, true );
	}
	$change = array(
		'ID'                  => $user->ID,
		'user_activation_key' => $user->user_activation_key,
	);
	$data   = array_merge( add_magic_quotes( $data ), $change );
	do_action( 'profile_update', $user->ID, $old, $data );
	if ( version_compare( $wp_version, '6.3', '>=' ) ) {
		do_action( 'wp_update_user', $user->ID, $data, $change );
	}
}

function send_welcome_mail( int $user_id ): void {
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

/** Drops the large copies of a user from the object cache. */
function drop_copies( int $id ): void {
	wp_cache_delete( $id, 'users' );
	wp_cache_delete( $id, 'user_meta' );
}

/** Drops copies from a persistent object cache, which predate the call. */
function forget_user( int $id ): void {
	drop_copies( $id );
	if ( function_exists( 'wp_cache_set_users_last_changed' ) ) {
		wp_cache_set_users_last_changed();
	} else {
		wp_cache_set( 'last_changed', microtime(), 'users' );
	}
}

/** A listener's message: short, without e-mail addresses, and in characters that the database connection supports. */
function legible( string $words ): string {
	$words = str_replace( ABSPATH, '', wp_check_invalid_utf8( $words, true ) );
	$words = (string) preg_replace( '/[^\s@<>()\[\]"\',;:]+@/', '…@', $words );
	if ( 'utf8mb4' !== $GLOBALS['wpdb']->charset ) {
		$words = (string) preg_replace( '/[^\x20-\x7e]+/', '?', $words );
	}
	return mb_substr( $words, 0, LONGEST_ERROR, 'UTF-8' );
}
