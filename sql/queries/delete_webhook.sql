DELETE FROM {prefix}fcom_meta WHERE id = ? AND object_type = 'webhook'
