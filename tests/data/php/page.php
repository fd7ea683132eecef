<?php
// Stands for WordPress behind a web server: says what reached it, and keeps that in a file beside its folder.
$said = json_encode([
    'by' => 'PHP',
    'method' => $_SERVER['REQUEST_METHOD'],
    'uri' => $_SERVER['REQUEST_URI'],
    'host' => $_SERVER['HTTP_HOST'],
    'fields' => $_POST,
]);
file_put_contents(__DIR__ . '/../php.log', $said . "\n", FILE_APPEND | LOCK_EX);
header('Content-Type: application/json');
echo $said;
