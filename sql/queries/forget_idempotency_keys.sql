-- In small batches, so that no call waits for it. By the index of keys: most old runs have none, and would all be read.
UPDATE {prefix}fcom_sidecar_runs FORCE INDEX (idempotency_key) SET idempotency_key = NULL
WHERE idempotency_key IS NOT NULL AND created_at < ?
LIMIT 500
