<?php
// Gives the first user an application password and answers with it.

require __DIR__ . '/../data/php/site.php';

answer( WP_Application_Passwords::create_new_application_password( 1, array( 'name' => 'bench' ) )[0] );
