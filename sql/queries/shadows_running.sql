SELECT COUNT(*) FROM {prefix}fcom_sidecar_shadow WHERE ended_at IS NULL AND started_at >= UTC_TIMESTAMP(6) - INTERVAL 10 MINUTE
