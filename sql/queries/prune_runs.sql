-- In small batches, so that no call waits for it. A run that is not counted yet stays.
DELETE FROM {prefix}fcom_sidecar_runs WHERE created_at < ? AND tallied = 1 ORDER BY created_at LIMIT 500
