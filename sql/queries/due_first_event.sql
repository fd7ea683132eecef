-- The first events of the users after this one, some users at a time, with the seconds that each has been waiting for, or NULL if it
-- is not due; for when none of those that have been due for longest is one. The index skips from user to user, so the cost
-- grows neither with the events of one user nor with the users. With one state only, MariaDB would read all events of the users before.
SELECT f.user_id,
    CASE WHEN e.due_at <= UTC_TIMESTAMP(3) THEN CAST(TIMESTAMPDIFF(SECOND, e.created_at, UTC_TIMESTAMP()) AS SIGNED) END AS seconds
FROM (SELECT user_id, MIN(id) AS id FROM {prefix}fcom_sidecar_events FORCE INDEX (heads)
    WHERE state IN ('pending', '') AND user_id > ?
    GROUP BY state, user_id
    ORDER BY state, user_id
    LIMIT ?) f
STRAIGHT_JOIN {prefix}fcom_sidecar_events e ON e.id = f.id
ORDER BY f.user_id
