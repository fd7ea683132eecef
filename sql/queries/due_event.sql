-- How long the hooks that have been due for longest have been waiting, in seconds, and which of them WordPress may fire next: a
-- user's events wait for that user's first one. A limited number of them, because behind one that fails any number may wait.
SELECT CAST(TIMESTAMPDIFF(SECOND, e.created_at, UTC_TIMESTAMP()) AS SIGNED) AS seconds,
    NOT EXISTS (SELECT 1 FROM {prefix}fcom_sidecar_events o
        WHERE o.user_id = e.user_id AND o.state = 'pending' AND o.id < e.id) AS is_first
FROM (SELECT id, user_id, due_at, created_at FROM {prefix}fcom_sidecar_events
    WHERE state = 'pending' AND due_at <= UTC_TIMESTAMP(3)
    ORDER BY due_at, id
    LIMIT ?) e
ORDER BY e.due_at, e.id
