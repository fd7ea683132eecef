<?php
// What WordPress says of a user, through its object cache.

require __DIR__ . '/site.php';

$user = get_userdata( $input['id'] );
answer(
	array(
		'persistent' => (bool) wp_using_ext_object_cache(),
		'spaces'     => get_user_meta( $input['id'], '_fcom_space_ids', true ),
		'key'        => $user ? $user->user_activation_key : null,
		'changed'    => wp_cache_get( 'last_changed', 'users' ),
		'count'      => get_option( 'user_count' ),
	)
);
