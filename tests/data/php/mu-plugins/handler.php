<?php
// FluentCommunity's portal and the webhook handler of Pro, as far as the recorded cases show what it does, with WordPress's own
// functions. A file `wrong` in WordPress's folder names one thing that it does wrong.

function stand_in_does( string $wrong ): bool {
	return trim( (string) @file_get_contents( ABSPATH . 'wrong' ) ) === $wrong;
}

add_filter(
	'query_vars',
	static function ( $names ) {
		return array_merge( $names, array( 'fcom_route' ) );
	}
);
add_filter(
	'request',
	static function ( $query ) {
		if ( preg_match( '~^/portal(/|$)~', strtok( $_SERVER['REQUEST_URI'], '?' ) ) ) {
			$query += array( 'fcom_route' => 'portal_home' );
		}
		return $query;
	}
);
add_action(
	'template_redirect',
	static function () {
		if ( ! get_query_var( 'fcom_route' ) ) {
			return;
		}
		nocache_headers();
		if ( isset( $_REQUEST['fcom_action'] ) ) {
			do_action( 'fluent_community/portal_action_' . sanitize_text_field( $_REQUEST['fcom_action'] ) );
		}
		status_header( 200 );
		header( 'Content-Type: text/html; charset=UTF-8' );
		echo '<!DOCTYPE html><title>The portal</title>';
		exit;
	},
	1
);
add_action( 'fluent_community/portal_action_incoming_webhook', 'stand_in_execute' );

function stand_in_execute() {
	global $wpdb;
	$key = isset( $_GET['webhook'] ) ? $_GET['webhook'] : '';
	if ( ! $_POST || ! $key ) {
		return;
	}
	file_put_contents( ABSPATH . 'reached', "1\n", FILE_APPEND | LOCK_EX );
	$sql     = "SELECT * FROM {$wpdb->prefix}fcom_meta WHERE object_type = 'webhook' AND meta_key = %s LIMIT 1";
	$webhook = $wpdb->get_row( $wpdb->prepare( $sql, $key ) );
	if ( ! $webhook ) {
		wp_send_json( array( 'status' => 'error', 'message' => 'Webhook not found' ), 404 );
	}
	$value = maybe_unserialize( $webhook->value );
	$email = isset( $_POST['email'] ) ? $_POST['email'] : '';
	if ( ! $email || ! is_email( $email ) ) {
		wp_send_json( array( 'status' => 'error', 'message' => 'Email is required' ), 423 );
	}
	$user = get_user_by( 'email', $email );
	$id   = $user ? $user->ID : stand_in_create( $email, $value );
	if ( is_wp_error( $id ) ) {
		wp_send_json( array( 'status' => 'error', 'message' => $id->get_error_message() ), 423 );
	}
	if ( ! $id ) {
		wp_send_json( array( 'status' => 'error', 'message' => 'User not found' ), 423 );
	}
	stand_in_does( 'no profile' ) || stand_in_profile( get_user_by( 'id', $id ) );
	$list = static function ( $name ) use ( $value ) {
		return is_array( $value[ $name ] ?? null ) ? $value[ $name ] : array();
	};
	if ( stand_in_has_courses() ) {
		foreach ( $list( 'course_ids' ) as $course ) {
			stand_in_join( $course, $id, 'student' );
		}
		foreach ( $list( 'remove_course_ids' ) as $course ) {
			stand_in_leave( $course, $id );
		}
	}
	$spaces = $list( 'space_ids' );
	if ( stand_in_does( 'a membership too few' ) ) {
		array_pop( $spaces );
	}
	foreach ( $spaces as $space ) {
		stand_in_join( $space, $id, stand_in_does( 'role in a space' ) ? 'moderator' : 'member' );
	}
	if ( stand_in_does( 'a membership too many' ) ) {
		stand_in_join( 3, $id, 'member' );
	}
	foreach ( $list( 'remove_space_ids' ) as $space ) {
		stand_in_leave( $space, $id );
	}
	if ( ! stand_in_does( 'no count' ) ) {
		$value['running_count'] = (int) ( $value['running_count'] ?? 0 ) + 1;
	}
	$wpdb->update(
		$wpdb->prefix . 'fcom_meta',
		array( 'value' => serialize( $value ), 'updated_at' => current_time( 'mysql' ) ),
		array( 'id' => $webhook->id )
	);
	$answer = array(
		'status'              => 'success',
		'message'             => 'webhook has been successfully executied',
		'execution_timestamp' => time(),
		'user_id'             => $id,
	);
	if ( stand_in_does( 'more in the answer' ) ) {
		$answer['email'] = $email;
	}
	wp_send_json( $answer, stand_in_does( 'other status' ) ? 201 : 200 );
}

function stand_in_create( $email, $value ) {
	global $wpdb;
	$first = $_POST['first_name'] ?? '';
	$last  = $_POST['last_name'] ?? '';
	$login = empty( $_POST['user_login'] ) ? '' : sanitize_user( $_POST['user_login'] );
	if ( ! $login || username_exists( $login ) ) {
		$login = stand_in_name( $email, array_filter( array( $first, $last ) ), '' );
	}
	$password = empty( $_POST['user_password'] ) ? wp_generate_password( 8, false ) : $_POST['user_password'];
	$id       = wp_insert_user(
		array_filter(
			array(
				'role'       => stand_in_does( 'role' ) ? 'editor' : get_option( 'default_role', 'subscriber' ),
				'user_email' => $email,
				'user_login' => $login,
				'user_pass'  => stand_in_does( 'password' ) ? "other $password" : $password,
				'first_name' => $first,
				'last_name'  => $last,
			)
		)
	);
	if ( is_wp_error( $id ) || ! $id ) {
		return $id;
	}
	$sends = 'yes' === ( $value['send_wp_welcome_email'] ?? 'yes' );
	if ( $sends && ! stand_in_does( 'no mail' ) ) {
		wp_new_user_notification( $id, null, 'user' );
	}
	if ( stand_in_does( 'a meta row too few' ) ) {
		delete_user_meta( $id, 'rich_editing' );
	}
	if ( stand_in_does( 'nicename' ) ) {
		$wpdb->update( $wpdb->users, array( 'user_nicename' => 'someone-else' ), array( 'ID' => $id ) );
	}
	if ( stand_in_does( 'display name' ) ) {
		$wpdb->update( $wpdb->users, array( 'display_name' => "of $email" ), array( 'ID' => $id ) );
	}
	if ( stand_in_does( 'meta of others' ) ) {
		update_user_meta( $id, 'points_of_others', '10' );
	}
	clean_user_cache( $id );
	return $id;
}

function stand_in_plain( $name ) {
	$name = sanitize_user( explode( '@', strtolower( $name ) )[0] );
	return preg_replace( '/[^A-Za-z0-9_]/', '', $name );
}

function stand_in_is_free( $name, $id ) {
	global $wpdb;
	if ( strlen( $name ) < 3 || in_array( strtolower( $name ), file( ABSPATH . 'reserved', FILE_IGNORE_NEW_LINES ), true ) ) {
		return false;
	}
	$user = $id ? get_user_by( 'login', $name ) : null;
	if ( $user && $user->ID !== $id ) {
		return false;
	}
	$sql = "SELECT COUNT(*) FROM {$wpdb->prefix}fcom_xprofile WHERE username = %s AND user_id <> %d";
	return ! $wpdb->get_var( $wpdb->prepare( $sql, $name, $id ?: 0 ) );
}

function stand_in_name( $email, $fallbacks, $id ) {
	$local = explode( '@', $email )[0];
	$name  = stand_in_plain( $local );
	if ( stand_in_is_free( $name, $id ) ) {
		return $name;
	}
	foreach ( $fallbacks as $fallback ) {
		$name = stand_in_plain( preg_replace( '/[^A-Za-z0-9_-]/', '', $fallback ) );
		if ( stand_in_is_free( $name, $id ) ) {
			return $name;
		}
	}
	$base = strtolower( $local );
	$name = $base;
	for ( $number = 2; ! stand_in_is_free( $name, $id ); ) {
		$name = $base . $number++;
		if ( 0 === $number % 100 ) {
			$base .= $id . '-';
		}
	}
	return $name;
}

function stand_in_profile( $user ) {
	global $wpdb;
	$table = $wpdb->prefix . 'fcom_xprofile';
	if ( $wpdb->get_var( $wpdb->prepare( "SELECT id FROM $table WHERE user_id = %d", $user->ID ) ) ) {
		return;
	}
	$names       = array( $user->user_nicename, $user->first_name, $user->last_name, $user->display_name );
	$full        = trim( $user->first_name . ' ' . $user->last_name );
	$description = (string) get_user_meta( $user->ID, 'description', true );
	$meta        = array(
		'website'                    => $user->user_url,
		'cover_photo'                => '',
		'short_description_rendered' => trim( $description ) ? wpautop( $description ) : '',
	);
	$wpdb->insert(
		$table,
		array(
			'user_id'           => $user->ID,
			'username'          => stand_in_name( $user->user_login, array_filter( $names ), $user->ID ),
			'display_name'      => mb_substr( $full ?: $user->display_name, 0, 192 ),
			'is_verified'       => 0,
			'short_description' => $description,
			'meta'              => serialize( $meta ),
			'status'            => 'active',
			'created_at'        => get_date_from_gmt( $user->user_registered ),
			'updated_at'        => current_time( 'mysql' ),
		)
	);
}

function stand_in_has_courses() {
	global $wpdb;
	$sql      = "SELECT value FROM {$wpdb->prefix}fcom_meta WHERE object_type = 'option' AND meta_key = 'fluent_community_features' LIMIT 1";
	$features = maybe_unserialize( (string) $wpdb->get_var( $sql ) );
	return 'yes' === ( is_array( $features ) && isset( $features['course_module'] ) ? $features['course_module'] : 'yes' );
}

function stand_in_space( $id ) {
	global $wpdb;
	$sql = "SELECT * FROM {$wpdb->prefix}fcom_spaces WHERE id = %s AND type IN ('community', 'course')";
	return is_numeric( $id ) ? $wpdb->get_row( $wpdb->prepare( $sql, $id ) ) : null;
}

function stand_in_join( $id, $user, $role ) {
	global $wpdb;
	$table = $wpdb->prefix . 'fcom_space_user';
	$space = stand_in_space( $id );
	if ( ! $space ) {
		return;
	}
	$role = 'course' === $space->type && 'member' === $role ? 'student' : $role;
	$now  = current_time( 'mysql' );
	$sql  = "SELECT * FROM $table WHERE user_id = %s AND space_id = %d LIMIT 1";
	$row  = $wpdb->get_row( $wpdb->prepare( $sql, $user, $space->id ) );
	if ( ! $row ) {
		$wpdb->insert(
			$table,
			array( 'space_id' => $space->id, 'role' => $role, 'user_id' => (string) $user, 'updated_at' => $now, 'created_at' => $now )
		);
	} elseif ( 'active' !== $row->status ) {
		$role = in_array( $row->role, array( 'admin', 'moderator' ), true ) ? $row->role : $role;
		$wpdb->update( $table, array( 'status' => 'active', 'role' => $role, 'updated_at' => $now ), array( 'id' => $row->id ) );
	}
}

function stand_in_leave( $id, $user ) {
	global $wpdb;
	$table = $wpdb->prefix . 'fcom_space_user';
	$space = stand_in_space( $id );
	$sql   = "SELECT COUNT(*) FROM $table WHERE user_id = %s AND space_id = %d AND status = 'active'";
	if ( ! $space || ! $wpdb->get_var( $wpdb->prepare( $sql, $user, $space->id ) ) ) {
		return;
	}
	$wpdb->delete( $table, array( 'space_id' => $space->id, 'user_id' => (string) $user ) );
	$sql   = "SELECT value FROM {$wpdb->prefix}fcom_meta WHERE object_type = 'user' AND object_id = %d AND meta_key = '_user_community_roles'";
	$roles = maybe_unserialize( (string) $wpdb->get_var( $wpdb->prepare( $sql, $user ) ) );
	$roles = user_can( $user, 'manage_options' ) ? array( 'admin' ) : (array) $roles;
	$sql   = "SELECT id FROM {$wpdb->prefix}fcom_spaces s WHERE type IN ('community', 'course')";
	if ( ! array_intersect( $roles, array( 'admin', 'moderator' ) ) ) {
		$sql .= $wpdb->prepare(
			" AND ( privacy = 'public' OR EXISTS ( SELECT 1 FROM $table m WHERE m.space_id = s.id AND m.user_id = %s AND m.status = 'active' ) )",
			$user
		);
	}
	update_user_meta( $user, '_fcom_space_ids', array_map( 'intval', $wpdb->get_col( $sql ) ) );
}
