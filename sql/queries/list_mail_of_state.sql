-- As list_mail, of one state. Of most states there are few mails or nearly all, and a server that misjudges which reads all of them.
SELECT m.id, m.user_id, m.webhook_id, m.state, m.attempts, m.next_attempt_at, m.last_error, m.created_at, m.finished_at,
    u.user_login
FROM {prefix}fcom_sidecar_mail m FORCE INDEX (of_state)
LEFT JOIN {users} u ON u.ID = m.user_id
WHERE m.state = ? AND m.id < ?
ORDER BY m.state DESC, m.id DESC
LIMIT ?
