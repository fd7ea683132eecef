<?php
$counter = ( $counter ?? 0 ) + 1;
define( 'DB_HOST', 'db.example:330' . $counter );
