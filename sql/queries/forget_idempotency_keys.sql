-- In small bites, so that nobody waits for it.
UPDATE {prefix}fcom_sidecar_runs SET idempotency_key = NULL
WHERE created_at < ? AND idempotency_key IS NOT NULL
ORDER BY created_at
LIMIT 500
