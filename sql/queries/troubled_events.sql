-- Events that have failed and are not done, dead ones first.
SELECT id, user_id, kind, space_id, state, attempts, interrupted, due_at, last_error, created_at
FROM {prefix}fcom_sidecar_events
WHERE state = 'dead' OR state = 'pending' AND attempts > 0
ORDER BY state, id
LIMIT ?
