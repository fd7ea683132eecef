<?php
// Installs WordPress into a database, at the address of the input.

define( 'WP_INSTALLING', true );
require __DIR__ . '/site.php';
require ABSPATH . 'wp-admin/includes/upgrade.php';

// Otherwise the installer requests pages of the site, to learn whether it can have pretty addresses.
add_filter( 'pre_option_permalink_structure', static fn() => '/' );
wp_install( 'Sample', 'admin', 'admin@example.com', true, '', wp_slash( $input['password'] ) );
update_option( 'siteurl', $input['url'] );
update_option( 'home', $input['url'] );
update_option( 'show_avatars', 0 );
answer( get_bloginfo( 'version' ) );
