<?php
// Stands for Composer's packages: as much of them as the configuration uses.

namespace Roots\WPConfig {
	class Config {
		private static $settings = array();
		public static function define( $name, $value ) {
			self::$settings[ $name ] = $value;
		}
		public static function get( $name ) {
			return self::$settings[ $name ];
		}
		public static function apply() {
			foreach ( self::$settings as $name => $value ) {
				define( $name, $value );
			}
		}
	}
}

namespace Env {
	class Env {
		public static $options = 0;
	}
	function env( $name ) {
		$value = $_ENV[ $name ] ?? null;
		if ( null === $value ) {
			return null;
		}
		$words = array( 'true' => true, 'false' => false, 'null' => null );
		if ( array_key_exists( strtolower( $value ), $words ) ) {
			return $words[ strtolower( $value ) ];
		}
		return ctype_digit( $value ) ? (int) $value : $value;
	}
}

namespace Dotenv\Repository {
	class RepositoryBuilder {
		public static function createWithNoAdapters() {
			return new self();
		}
		public function __call( $name, $arguments ) {
			return $this;
		}
	}
}

namespace Dotenv {
	class Dotenv {
		private $files;
		private function __construct( $files ) {
			$this->files = $files;
		}
		public static function create( $repository, $folder, $names ) {
			$path = function ( $name ) use ( $folder ) {
				return "$folder/$name";
			};
			return new self( array_map( $path, $names ) );
		}
		public static function createImmutable( $folder ) {
			return new self( array( "$folder/.env" ) );
		}
		public function load() {
			$loaded = array();
			foreach ( $this->files as $file ) {
				foreach ( file( $file, FILE_IGNORE_NEW_LINES ) as $line ) {
					if ( preg_match( '/^(?:export )?(\w+)=(?|"([^"]*)"|\'([^\']*)\'|([^# ]*))/', $line, $match ) ) {
						$replaced = function ( $name ) use ( $loaded ) {
							return $loaded[ $name[1] ];
						};
						$loaded[ $match[1] ] = preg_replace_callback( '/\$\{(\w+)\}/', $replaced, $match[2] );
					}
				}
			}
			foreach ( $loaded as $name => $value ) {
				if ( ! isset( $_ENV[ $name ] ) ) {
					$_ENV[ $name ] = $value;
					putenv( "$name=$value" );
				}
			}
		}
		public function required( $names ) {
			return $this;
		}
	}
}
