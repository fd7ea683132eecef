-- The user with this login, or else with this e-mail address, and the application passwords. A user without any is a row,
-- too. A list that is longer than anybody needs is cut, and so cannot be read.
SELECT 1 AS place, u.ID AS user_id, CAST(LEFT(m.meta_value, 262144) AS BINARY) AS passwords
FROM {users} u
LEFT JOIN {usermeta} m ON m.user_id = u.ID AND m.meta_key = '_application_passwords'
WHERE u.user_login = ?
UNION ALL
SELECT 2, u.ID, CAST(LEFT(m.meta_value, 262144) AS BINARY)
FROM {users} u
LEFT JOIN {usermeta} m ON m.user_id = u.ID AND m.meta_key = '_application_passwords'
WHERE u.user_email = ?
