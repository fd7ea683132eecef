-- Part of a test write, which is rolled back. In no state that WordPress looks for.
INSERT IGNORE INTO {prefix}fcom_sidecar_events (id, run_id, user_id, kind, space_id, membership_id, is_new, role, origin, state,
    attempts, interrupted, lease, due_at, last_error, duration_ms, created_at, finished_at)
VALUES (0, NULL, 0, 'test', NULL, NULL, 0, NULL, NULL, 'test', 0, 0, NULL, UTC_TIMESTAMP(), NULL, NULL, UTC_TIMESTAMP(), NULL)
