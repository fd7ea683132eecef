<?php
// FluentCommunity's portal and the webhook handler of Pro, as far as its way from a request to a webhook goes: the portal is
// below /portal/ or wherever `fcom_route` is given. Notes each execution: the webhook's id, and the e-mail address.

add_filter(
	'query_vars',
	static function ( $names ) {
		return array_merge( $names, array( 'fcom_route' ) );
	}
);
add_filter(
	'request',
	static function ( $query ) {
		if ( preg_match( '~^/portal(/|$)~', strtok( $_SERVER['REQUEST_URI'], '?' ) ) ) {
			$query += array( 'fcom_route' => 'portal_home' );
		}
		return $query;
	}
);
add_action(
	'template_redirect',
	static function () {
		if ( ! get_query_var( 'fcom_route' ) ) {
			return;
		}
		if ( isset( $_REQUEST['fcom_action'] ) ) {
			do_action( 'fluent_community/portal_action_' . sanitize_text_field( $_REQUEST['fcom_action'] ) );
		}
		wp_send_json( array( 'by' => 'PHP' ), 200 );
	},
	1
);
add_action(
	'fluent_community/portal_action_incoming_webhook',
	static function () {
		global $wpdb;
		$key = isset( $_GET['webhook'] ) ? $_GET['webhook'] : '';
		while ( is_array( $key ) ) {
			$key = reset( $key );
		}
		if ( ! $_POST || ! $key ) {
			return;
		}
		$sql = "SELECT id FROM {$wpdb->prefix}fcom_meta WHERE object_type = 'webhook' AND meta_key = %s LIMIT 1";
		$id  = $wpdb->get_var( $wpdb->prepare( $sql, $key ) );
		if ( ! $id ) {
			wp_send_json( array( 'status' => 'error', 'message' => 'Webhook not found', 'by' => 'PHP' ), 404 );
		}
		file_put_contents( ABSPATH . 'executed', "$id {$_POST['email']}\n", FILE_APPEND | LOCK_EX );
		wp_send_json( array( 'status' => 'success', 'by' => 'PHP' ), 200 );
	}
);
