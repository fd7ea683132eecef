<?php
// What WordPress says of each user.

require __DIR__ . '/site.php';

wp_set_current_user( 1 );
$rest = new WP_REST_Request( 'GET', '/wp/v2/users' );
$rest->set_query_params( array( 'context' => 'edit', 'per_page' => 100 ) );
$listed = array_column( rest_do_request( $rest )->get_data(), null, 'id' );

$described = array();
foreach ( $input['ids'] as $id ) {
	$user     = get_userdata( $id );
	$by       = static fn( $field, $value ) => get_user_by( $field, $value )->ID ?? null;
	$may      = array();
	$meta     = array();
	$password = wp_authenticate( wp_slash( $user->user_login ), wp_slash( $input['password'] ) );
	foreach ( array( 'read', 'edit_posts', 'publish_pages', 'list_users', 'exist', 'edit_user' ) as $capability ) {
		$may[ $capability ] = user_can( $id, $capability, $id );
	}
	foreach ( get_user_meta( $id ) as $key => $values ) {
		$meta[ $key ] = get_user_meta( $id, $key, true );
	}
	$described[] = array(
		'rows'          => rows_of( $id ),
		'userdata'      => $user->to_array(),
		'names'         => array( $user->first_name, $user->last_name, $user->nickname, $user->description ),
		'roles'         => $user->roles,
		'caps'          => $user->caps,
		'allcaps'       => $user->allcaps,
		'user_can'      => $may,
		'meta'          => $meta,
		'by_login'      => $by( 'login', $user->user_login ),
		'by_slug'       => $by( 'slug', $user->user_nicename ),
		'by_email'      => $by( 'email', strtoupper( $user->user_email ) ),
		'by_role'       => in_array( (string) $id, get_users( array( 'role' => $user->roles[0], 'fields' => 'ID' ) ), true ),
		'authenticated' => is_wp_error( $password ) ? $password->get_error_message() : $password->ID,
		'author_page'   => get_author_posts_url( $id ),
		'rest'          => $listed[ $id ] ?? null,
	);
}
answer( array( 'users' => $described, 'count' => count_users() ) );
