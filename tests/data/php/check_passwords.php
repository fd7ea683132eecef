<?php
// For each password (in base64) and hash: whether wp-login.php accepts the one for the other.

require __DIR__ . '/site.php';

answer(
	array_map(
		static fn( $pair ) => wp_check_password( trim( wp_slash( base64_decode( $pair[0] ) ) ), $pair[1] ),
		$input['pairs']
	)
);
