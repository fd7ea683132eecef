-- In small batches, so that no call waits for it.
DELETE FROM {prefix}fcom_sidecar_signed WHERE created_at < ? ORDER BY created_at LIMIT 500
