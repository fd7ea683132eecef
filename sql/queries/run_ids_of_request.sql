SELECT id FROM {prefix}fcom_sidecar_runs
WHERE request_id = ?
ORDER BY id DESC
LIMIT 100
