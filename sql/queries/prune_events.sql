-- In small batches, so that no call waits for it. Dead events stay until an operator retries or drops them.
DELETE FROM {prefix}fcom_sidecar_events
WHERE state IN ('done', 'skipped') AND due_at < ?
ORDER BY state, due_at LIMIT 500
