DELETE FROM {prefix}fcom_sidecar_old_keys WHERE webhook_id = ?
