-- Whom PHP made or found, in the order of ids: PHP takes the first.
SELECT ID, CAST(user_email AS BINARY) AS email FROM {users} WHERE user_email IN (?, ?, ?)
