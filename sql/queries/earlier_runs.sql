-- More rows for facts, if the call has an Idempotency-Key: one for each webhook that was called with it.
SELECT 'run' AS kind, user_id AS id, fields_hash AS name,
    CAST(CONCAT_WS('|', webhook_id, outcome, created_at) AS BINARY) AS value
FROM {prefix}fcom_sidecar_runs
WHERE idempotency_key = ?
