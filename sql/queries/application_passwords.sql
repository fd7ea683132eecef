-- The user with this login, or else with this e-mail address, and the application passwords. A user without any is a row,
-- too.
SELECT 1 AS place, u.ID AS user_id, CAST(m.meta_value AS BINARY) AS passwords
FROM {users} u
LEFT JOIN {usermeta} m ON m.user_id = u.ID AND m.meta_key = '_application_passwords'
WHERE u.user_login = ?
UNION ALL
SELECT 2, u.ID, CAST(m.meta_value AS BINARY)
FROM {users} u
LEFT JOIN {usermeta} m ON m.user_id = u.ID AND m.meta_key = '_application_passwords'
WHERE u.user_email = ?
