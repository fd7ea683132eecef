DELETE FROM {prefix}fcom_sidecar_old_keys WHERE valid_until <= ? ORDER BY valid_until LIMIT 500
