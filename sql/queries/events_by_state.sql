-- Pending and dead events: how many, and the age of the oldest.
SELECT state, COUNT(*) AS events,
    CAST(TIMESTAMPDIFF(SECOND, MIN(created_at), UTC_TIMESTAMP()) AS SIGNED) AS oldest_seconds
FROM {prefix}fcom_sidecar_events
WHERE state IN ('pending', 'dead')
GROUP BY state
