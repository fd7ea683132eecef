DELETE FROM {prefix}fcom_sidecar_refused WHERE created_at < ? ORDER BY created_at LIMIT 1000
