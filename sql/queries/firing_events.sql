-- Events that a PHP process has taken, until it records the end or its lease ends, those that were taken last first. Only of the 10,000
-- pending ones that are due last, as for failing_events.
SELECT e.id, e.user_id, e.kind, e.space_id, e.state, e.attempts, e.interrupted, e.due_at, e.last_error, e.created_at
FROM (SELECT id FROM {prefix}fcom_sidecar_events FORCE INDEX (due)
    WHERE state = 'pending' AND due_at > UTC_TIMESTAMP(3)
    ORDER BY state DESC, due_at DESC
    LIMIT 10000) latest
JOIN {prefix}fcom_sidecar_events e ON e.id = latest.id
WHERE e.lease IS NOT NULL
LIMIT ?
