-- Runs that were left uncounted, for example by an instance that died. Also by one whose clock was ahead: nobody would wait for the time
-- that it gave them.
SELECT id, webhook_id, outcome FROM {prefix}fcom_sidecar_runs
WHERE tallied = 0 AND id > ? AND (created_at <= ? OR created_at > UTC_TIMESTAMP() + INTERVAL 1 MINUTE)
ORDER BY id
LIMIT 500
