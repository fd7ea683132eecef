-- Part of a test write, which is rolled back. A long text needs pages of its own: a short row may fit where a full
-- disk still has room.
INSERT IGNORE INTO {prefix}fcom_sidecar_runs (id, call_id, webhook_id, user_id, outcome, changes, idempotency_key, fields_hash,
    tallied, duration_ms, client_address, request_id, created_at)
VALUES (0, UNHEX('00000000000000000000000000000000'), 0, 0, 'test', REPEAT('x', ?), NULL, NULL, 1, 0, NULL, NULL, UTC_TIMESTAMP())
