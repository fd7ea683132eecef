SELECT UTC_TIMESTAMP() FROM {prefix}fcom_sidecar_instances WHERE id = ?
