<?php
// Adds a site to the network of the request, or to another one, whose administrator is the user with id 1. Answers with its id.

require __DIR__ . '/site.php';

$domain  = $input['new_domain'] ?? $_SERVER['HTTP_HOST'];
$network = $input['network'] ?? get_current_network_id();
$id      = wpmu_create_blog( $domain, $input['new_path'], $input['title'], 1, array(), $network );
answer( is_wp_error( $id ) ? $id->get_error_message() : $id );
