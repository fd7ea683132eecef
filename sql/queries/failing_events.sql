-- Events that have failed and are tried again, those that are due last first. Only of the 10,000 pending ones that are due last: after
-- a failure an event waits, so it is among them, and most of a large backlog has not been tried. Not those that are being fired for the
-- first time.
SELECT e.id, e.user_id, e.kind, e.space_id, e.state, e.attempts, e.interrupted, e.due_at, e.last_error, e.created_at
FROM (SELECT id, attempts FROM {prefix}fcom_sidecar_events FORCE INDEX (due)
    WHERE state = 'pending'
    ORDER BY state DESC, due_at DESC
    LIMIT 10000) latest
JOIN {prefix}fcom_sidecar_events e ON e.id = latest.id
WHERE latest.attempts > 0 AND NOT (latest.attempts = 1 AND e.lease IS NOT NULL AND e.due_at > UTC_TIMESTAMP(3))
LIMIT ?
