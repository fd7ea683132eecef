-- Users with this login, and with this address in any form that WordPress may have stored.
SELECT 'login' AS found_by, ID AS id FROM {users} WHERE user_login = ?
UNION ALL
SELECT 'email', ID FROM {users} WHERE user_email IN (?, ?, ?)
