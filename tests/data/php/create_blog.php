<?php
// Adds a site to the network, whose administrator is the user with id 1. Answers with its id.

require __DIR__ . '/site.php';

$id = wpmu_create_blog( $_SERVER['HTTP_HOST'], $input['new_path'], $input['title'], 1 );
answer( is_wp_error( $id ) ? $id->get_error_message() : $id );
