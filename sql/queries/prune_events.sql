-- In small bites, so that nobody waits for it. Dead ones stay until somebody has looked at them.
DELETE FROM {prefix}fcom_sidecar_events
WHERE state IN ('done', 'skipped') AND due_at < ?
ORDER BY state, due_at LIMIT 500
