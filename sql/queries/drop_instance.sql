DELETE FROM {prefix}fcom_sidecar_instances WHERE id = ?
