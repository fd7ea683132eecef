-- In small batches, so that nobody waits for it.
DELETE FROM {prefix}fcom_sidecar_events
WHERE state = 'dead'
ORDER BY state, due_at LIMIT 500
