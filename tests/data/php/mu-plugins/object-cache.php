<?php
// A persistent object cache in files, one for each entry: what other processes wrote is read, and stays until deleted.

class WP_Object_Cache {
	public $global = array();

	private function file( $key, $group ) {
		$folder = ABSPATH . 'cache';
		is_dir( $folder ) || mkdir( $folder );
		$site = in_array( $group, $this->global, true ) ? 'all' : get_current_blog_id();
		return $folder . '/' . md5( $site . ':' . ( $group ?: 'default' ) . ':' . $key );
	}

	public function get( $key, $group, $force, &$found ) {
		$text  = @file_get_contents( $this->file( $key, $group ) );
		$found = false !== $text;
		return $found ? unserialize( $text ) : false;
	}

	public function set( $key, $value, $group ) {
		return false !== file_put_contents( $this->file( $key, $group ), serialize( $value ), LOCK_EX );
	}

	public function add( $key, $value, $group ) {
		return ! wp_suspend_cache_addition() && ! is_file( $this->file( $key, $group ) ) && $this->set( $key, $value, $group );
	}

	public function delete( $key, $group ) {
		return @unlink( $this->file( $key, $group ) );
	}
}

function wp_cache_init() {
	$GLOBALS['wp_object_cache'] = new WP_Object_Cache();
}

function wp_cache_get( $key, $group = '', $force = false, &$found = null ) {
	return $GLOBALS['wp_object_cache']->get( $key, $group, $force, $found );
}

function wp_cache_get_multiple( $keys, $group = '', $force = false ) {
	$values = array();
	foreach ( $keys as $key ) {
		$values[ $key ] = wp_cache_get( $key, $group );
	}
	return $values;
}

function wp_cache_set( $key, $value, $group = '', $expire = 0 ) {
	return $GLOBALS['wp_object_cache']->set( $key, $value, $group );
}

function wp_cache_set_multiple( $values, $group = '', $expire = 0 ) {
	foreach ( $values as $key => $value ) {
		wp_cache_set( $key, $value, $group );
	}
	return array_fill_keys( array_keys( $values ), true );
}

function wp_cache_add( $key, $value, $group = '', $expire = 0 ) {
	return $GLOBALS['wp_object_cache']->add( $key, $value, $group );
}

function wp_cache_add_multiple( $values, $group = '', $expire = 0 ) {
	foreach ( $values as $key => $value ) {
		wp_cache_add( $key, $value, $group );
	}
	return array_fill_keys( array_keys( $values ), true );
}

function wp_cache_replace( $key, $value, $group = '', $expire = 0 ) {
	return wp_cache_set( $key, $value, $group );
}

function wp_cache_delete( $key, $group = '' ) {
	return $GLOBALS['wp_object_cache']->delete( $key, $group );
}

function wp_cache_delete_multiple( $keys, $group = '' ) {
	foreach ( $keys as $key ) {
		wp_cache_delete( $key, $group );
	}
	return array_fill_keys( $keys, true );
}

function wp_cache_incr( $key, $offset = 1, $group = '' ) {
	$value = (int) wp_cache_get( $key, $group ) + $offset;
	wp_cache_set( $key, $value, $group );
	return $value;
}

function wp_cache_decr( $key, $offset = 1, $group = '' ) {
	return wp_cache_incr( $key, -$offset, $group );
}

function wp_cache_flush() {
	array_map( 'unlink', glob( ABSPATH . 'cache/*' ) );
	return true;
}

function wp_cache_close() {
	return true;
}

function wp_cache_add_global_groups( $groups ) {
	array_push( $GLOBALS['wp_object_cache']->global, ...(array) $groups );
}

// The site is looked up with each entry.
function wp_cache_switch_to_blog( $blog_id ) {
}

function wp_cache_add_non_persistent_groups( $groups ) {
}

function wp_cache_supports( $feature ) {
	return false;
}
