-- How long the hook that WordPress may fire next has been waiting, in seconds; no row if nothing is due. A user's events wait
-- for that user's first one.
SELECT CAST(TIMESTAMPDIFF(SECOND, e.created_at, UTC_TIMESTAMP()) AS SIGNED)
FROM {prefix}fcom_sidecar_events e
WHERE e.state = 'pending' AND e.due_at <= UTC_TIMESTAMP(3)
    AND NOT EXISTS (SELECT 1 FROM {prefix}fcom_sidecar_events o
        WHERE o.user_id = e.user_id AND o.state = 'pending' AND o.id < e.id)
ORDER BY e.due_at, e.id
LIMIT 1
