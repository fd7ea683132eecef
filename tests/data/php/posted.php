<?php
/**
 * Answers with what PHP read of a form: each field of $_POST, null for an array, and the warning that it gave meanwhile.
 */
$fields = array();
foreach ( $_POST as $name => $value ) {
	$value    = is_string( $value ) ? base64_encode( $value ) : null;
	$fields[] = array( base64_encode( (string) $name ), $value );
}
$warning = error_get_last();
echo json_encode( array( 'fields' => $fields, 'warning' => $warning ? $warning['message'] : null ) );
