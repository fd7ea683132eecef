<?php
// Edits a user, gives it another role, deletes it; answers with the rows after each step.

require __DIR__ . '/site.php';
require ABSPATH . 'wp-admin/includes/user.php';

$id    = $input['id'];
$steps = array();
$done  = wp_update_user( array( 'ID' => $id, 'first_name' => 'New', 'user_email' => 'new@example.com', 'user_pass' => 'other' ) );
$steps['edited'] = $done === $id ? rows_of( $id ) : $done;
( new WP_User( $id ) )->set_role( 'editor' );
$steps['promoted'] = rows_of( $id );
$steps['deletes']  = wp_delete_user( $id );
$steps['deleted']  = rows_of( $id );
answer( $steps );
