-- Events that were given up, the first one first.
SELECT id, user_id, kind, space_id, state, attempts, interrupted, due_at, last_error, created_at
FROM {prefix}fcom_sidecar_events FORCE INDEX (due)
WHERE state = 'dead'
ORDER BY state, due_at
LIMIT ?
