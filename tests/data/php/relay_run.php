<?php
// One run of the relay, as WP-Cron makes it.

require __DIR__ . '/site.php';

answer( FcomSidecar\run() );
