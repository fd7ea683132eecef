<?php
// Creates a user as the webhook's handler does.

require __DIR__ . '/site.php';

answer( create_from_form( $input ) );
