DELETE FROM {prefix}fcom_sidecar_shadow WHERE started_at < ? ORDER BY started_at LIMIT 1000
