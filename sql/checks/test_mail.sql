-- Part of a test write, which is rolled back. In no state that a sender looks for.
INSERT IGNORE INTO {prefix}fcom_sidecar_mail (id, user_id, webhook_id, https, state, attempts, lease, next_attempt_at, tried_since,
    last_error, created_at, finished_at)
VALUES (0, 0, 0, 0, 'test', 0, NULL, UTC_TIMESTAMP(), UTC_TIMESTAMP(), NULL, UTC_TIMESTAMP(), NULL)
