-- What a locked user's first profile is made of, in addition to profile_usermeta.
SELECT user_login, user_nicename, user_url, CAST(user_registered AS CHAR) AS user_registered, display_name
FROM {users}
WHERE ID = ?
