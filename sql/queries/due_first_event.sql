-- The same of the first event of each user who has any; for when none of those that have been due for longest is one. The index skips
-- from user to user, so the cost does not grow with the events of one user.
SELECT CAST(TIMESTAMPDIFF(SECOND, e.created_at, UTC_TIMESTAMP()) AS SIGNED)
FROM (SELECT user_id, MIN(id) AS id FROM {prefix}fcom_sidecar_events
    WHERE state = 'pending'
    GROUP BY state, user_id) f
STRAIGHT_JOIN {prefix}fcom_sidecar_events e ON e.id = f.id
WHERE e.due_at <= UTC_TIMESTAMP(3)
ORDER BY e.due_at, e.id
LIMIT 1
