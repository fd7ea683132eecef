-- Runs that were left uncounted, for example by an instance that died.
SELECT id, webhook_id, outcome FROM {prefix}fcom_sidecar_runs
WHERE tallied = 0 AND id > ? AND created_at <= ?
ORDER BY id
LIMIT 500
