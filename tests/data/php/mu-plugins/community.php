<?php
// As much of FluentCommunity's models as its hooks hand out: found by id, by type, or not at all.

namespace FluentCommunity\App\Models {
	class BaseSpace {
		protected static $table = 'fcom_spaces';
		protected static $type  = '';
		public $id;

		public static function find( $id ) {
			global $wpdb;
			$table = $wpdb->prefix . static::$table;
			$row   = $wpdb->get_row( $wpdb->prepare( "SELECT * FROM $table WHERE id = %d", $id ) );
			if ( ! $row || ( static::$type && static::$type !== $row->type ) ) {
				return null;
			}
			$found     = new static();
			$found->id = (int) $row->id;
			return $found;
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
