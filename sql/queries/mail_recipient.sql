-- Whom a mail in the outbox greets, as leased_mail has it.
SELECT m.https, u.user_login, u.display_name,
    (SELECT LEFT(l.meta_value, 64) FROM {usermeta} l WHERE l.user_id = m.user_id AND l.meta_key = 'locale'
        ORDER BY l.umeta_id LIMIT 1) AS locale
FROM {prefix}fcom_sidecar_mail m
JOIN {users} u ON u.ID = m.user_id
WHERE m.id = ?
