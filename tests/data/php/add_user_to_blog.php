<?php
// Adds a user to the site of the request, with its default role, as its administrator would. Answers with the rows of the
// users in the input, and with whether WordPress takes them for members.

require __DIR__ . '/site.php';

if ( isset( $input['add'] ) ) {
	add_user_to_blog( get_current_blog_id(), $input['add'], get_option( 'default_role' ) );
}
$users = array();
foreach ( $input['ids'] as $id ) {
	$user    = new WP_User( $id );
	$users[] = array(
		'rows'    => rows_of( $id ),
		'member'  => is_user_member_of_blog( $id, get_current_blog_id() ),
		'roles'   => $user->roles,
		'manages' => user_can( $id, 'manage_options' ),
	);
}
answer( $users );
