<?php
return [
	'user' => 'keeper',
	'home' => 'https://' . basename( __DIR__ ) . '.example.org',
];
