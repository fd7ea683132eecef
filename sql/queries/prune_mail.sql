-- In small batches, so that no call waits for it. A mail that has ended has the time of that in `next_attempt_at`, for which there
-- is an index.
DELETE FROM {prefix}fcom_sidecar_mail
WHERE state IN ('sent', 'skipped', 'dead') AND next_attempt_at < ?
ORDER BY state, next_attempt_at LIMIT 500
