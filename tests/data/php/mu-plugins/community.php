<?php
// As much of FluentCommunity's models as its hooks hand out: found by id, by type, or not at all.

namespace FluentCommunity\App\Models {
	class BaseSpace {
		protected static $table = 'fcom_spaces';
		protected static $type  = '';
		public $id;
		public $row = array();

		public static function find( $id ) {
			global $wpdb;
			$table = $wpdb->prefix . static::$table;
			$row   = $wpdb->get_row( $wpdb->prepare( "SELECT * FROM $table WHERE id = %d", $id ) );
			if ( ! $row || ( static::$type && static::$type !== $row->type ) ) {
				return null;
			}
			return ( new static() )->newFromBuilder( $row );
		}

		public function newFromBuilder( $attributes ) {
			$found      = new static();
			$found->row = array_change_key_case( (array) $attributes );
			$found->id  = (int) $found->row['id'];
			return $found;
		}
	}

	class User extends BaseSpace {
		protected static $table = 'users';

		public function cacheAccessSpaces() {
			global $wpdb;
			$spaces = $wpdb->get_col(
				$wpdb->prepare(
					"SELECT id FROM {$wpdb->prefix}fcom_spaces s WHERE type IN ('community', 'course') AND ( privacy = 'public' OR EXISTS (
						SELECT 1 FROM {$wpdb->prefix}fcom_space_user m WHERE m.space_id = s.id AND m.user_id = %s AND m.status = 'active' ) )",
					$this->id
				)
			);
			update_user_meta( $this->id, '_fcom_space_ids', array_map( 'intval', $spaces ) );
		}
	}

	class Space extends BaseSpace {
		protected static $type = 'community';
	}

	class SpaceUserPivot extends BaseSpace {
		protected static $table = 'fcom_space_user';
	}
}

namespace FluentCommunity\Modules\Course\Model {
	class Course extends \FluentCommunity\App\Models\BaseSpace {
		protected static $type = 'course';
	}
}
