-- The event that WordPress completed last, with its delay. Forced: MySQL would read all that is pending first.
SELECT id, kind, finished_at,
    CAST(TIMESTAMPDIFF(MICROSECOND, created_at, finished_at) DIV 1000 AS SIGNED) AS delay_ms
FROM {prefix}fcom_sidecar_events FORCE INDEX (due)
WHERE state = 'done'
ORDER BY due_at DESC
LIMIT 1
