-- Newest first. The condition holds for every mail, and has the server read only as many entries of the key as it returns.
SELECT m.id, m.user_id, m.webhook_id, m.state, m.attempts, m.next_attempt_at, m.last_error, m.created_at, m.finished_at,
    u.user_login
FROM {prefix}fcom_sidecar_mail m
LEFT JOIN {users} u ON u.ID = m.user_id
WHERE m.id > 0
ORDER BY m.id DESC
LIMIT ?
