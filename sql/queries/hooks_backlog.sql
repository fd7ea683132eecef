-- The relay's backlog, for the metrics. Counts at most 10,000 of each kind, like backlog.sql; beyond that, the oldest one may
-- be missed. `delay_ms` belongs to the hook that was fired last, found as in last_done_event.
SELECT 'pending' AS kind, COUNT(*) AS events, MIN(created_at) AS oldest, NULL AS delay_ms
FROM (SELECT created_at FROM {prefix}fcom_sidecar_events WHERE state = 'pending' ORDER BY due_at LIMIT 10000) pending
UNION ALL
SELECT 'dead', COUNT(*), NULL, NULL
FROM (SELECT id FROM {prefix}fcom_sidecar_events WHERE state = 'dead' LIMIT 10000) dead
UNION ALL
SELECT 'interrupted', COUNT(*), NULL, NULL
FROM (SELECT id FROM {prefix}fcom_sidecar_events WHERE interrupted > 0 LIMIT 10000) interrupted
UNION ALL
SELECT 'last', COUNT(*), NULL, CAST(MAX(delay) AS SIGNED)
FROM (SELECT TIMESTAMPDIFF(MICROSECOND, created_at, finished_at) DIV 1000 AS delay
    FROM {prefix}fcom_sidecar_events FORCE INDEX (due) WHERE state = 'done' ORDER BY due_at DESC LIMIT 1) fired
