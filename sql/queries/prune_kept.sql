-- Fields whose time is up.
DELETE FROM {prefix}fcom_sidecar_kept WHERE run_id IS NULL AND created_at < ? LIMIT 500
