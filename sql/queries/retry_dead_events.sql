-- In small batches, so that nobody waits for it for long; each user's in the order of the ids, in which they are to be fired.
UPDATE {prefix}fcom_sidecar_events
SET state = 'pending', attempts = 0, lease = NULL, due_at = UTC_TIMESTAMP(3), finished_at = NULL
WHERE state = 'dead'
ORDER BY state, user_id, id LIMIT 500
