<?php

use Roots\WPConfig\Config;
use function Env\env;

Config::define( 'DISALLOW_INDEXING', true );
Config::define( 'WP_DEBUG', env( 'DISABLE_WP_CRON' ) === true );
