-- Daemons that ended without a word.
DELETE FROM {prefix}fcom_sidecar_instances WHERE seen_at < UTC_TIMESTAMP() - INTERVAL 1 DAY
