-- Those before one, newest first.
SELECT m.id, m.user_id, m.webhook_id, m.state, m.attempts, m.next_attempt_at, m.last_error, m.created_at, m.finished_at,
    u.user_login
FROM {prefix}fcom_sidecar_mail m
LEFT JOIN {users} u ON u.ID = m.user_id
WHERE m.id < ?
ORDER BY m.id DESC
LIMIT ?
