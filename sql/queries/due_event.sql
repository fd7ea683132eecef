-- For how many seconds the hook that WordPress may fire next has been waiting; no row if there is nothing to do. A user's
-- events wait for the first of them.
SELECT CAST(TIMESTAMPDIFF(SECOND, e.created_at, UTC_TIMESTAMP()) AS SIGNED)
FROM {prefix}fcom_sidecar_events e
WHERE e.state = 'pending' AND e.due_at <= UTC_TIMESTAMP(3)
    AND NOT EXISTS (SELECT 1 FROM {prefix}fcom_sidecar_events o
        WHERE o.user_id = e.user_id AND o.state = 'pending' AND o.id < e.id)
ORDER BY e.due_at, e.id
LIMIT 1
