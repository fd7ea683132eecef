INSERT INTO {prefix}fcom_sidecar_runs (call_id, webhook_id, user_id, outcome, changes, duration_ms, created_at,
    idempotency_key, fields_hash, client_address, request_id, tallied)
VALUES {each: (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)}
