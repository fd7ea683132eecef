<?php
define( 'EARLY', 'yes' );
define( 'WP_DEBUG', true );
$table_prefix = 'global_';
define( 'IN_FUNCTION', 'x' );
define( 'KNOWN_IN_FUNCTION', 2 );
