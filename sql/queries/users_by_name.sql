-- Users with this login, and users with this address in any form in which WordPress may have stored it.
SELECT 'login' AS found_by, ID AS id FROM {users} WHERE user_login = ?
UNION ALL
SELECT 'email', ID FROM {users} WHERE user_email IN (?, ?, ?)
