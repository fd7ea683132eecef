-- The leased mail with its recipient as WordPress knows the user now; no login means that the user was deleted.
SELECT m.id, m.user_id, m.https, m.attempts, m.created_at, m.tried_since,
    u.user_registered = m.created_at AS is_same_user, u.user_login, u.user_email, u.display_name,{network: u.spam = 1 AS is_spammer,}
    (SELECT LEFT(l.meta_value, 64) FROM {usermeta} l WHERE l.user_id = m.user_id AND l.meta_key = 'locale'
        ORDER BY l.umeta_id LIMIT 1) AS locale
FROM {prefix}fcom_sidecar_mail m
LEFT JOIN {users} u ON u.ID = m.user_id
WHERE m.lease = ?
