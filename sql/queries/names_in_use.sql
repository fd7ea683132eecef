-- Behind the claims of a new user: a row if anybody has one of these names in whatever use, or one of the forms of the address. Usually
-- there is none, and names_taken.sql, which tells who has what, is not needed.
-- Binds: three names, three times; three addresses. The columns' collations decide about equality.
SELECT 1 FROM {users} WHERE user_login IN (?, ?, ?)
UNION ALL
SELECT 1 FROM {users} WHERE user_nicename IN (?, ?, ?)
UNION ALL
SELECT 1 FROM {prefix}fcom_xprofile WHERE username IN (?, ?, ?)
UNION ALL
SELECT 1 FROM {users} WHERE user_email IN (?, ?, ?)
