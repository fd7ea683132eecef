-- Those that run.
UPDATE {prefix}fcom_sidecar_instances SET tries_asked = tries_asked + 1
WHERE seen_at >= UTC_TIMESTAMP() - INTERVAL 60 SECOND
