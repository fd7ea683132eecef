-- Pending and dead events: how many, and the age of the oldest. All of them are counted in an index alone.
SELECT counted.state, counted.events, CAST(TIMESTAMPDIFF(SECOND, e.created_at, UTC_TIMESTAMP()) AS SIGNED) AS oldest_seconds
FROM (SELECT state, COUNT(*) AS events, MIN(id) AS id FROM {prefix}fcom_sidecar_events FORCE INDEX (heads)
    WHERE state IN ('pending', 'dead')
    GROUP BY state) counted
JOIN {prefix}fcom_sidecar_events e ON e.id = counted.id
