-- What may make a user an administrator or moderator of the whole community.
SELECT 'capabilities' AS kind, CAST(meta_value AS BINARY) AS value
FROM {usermeta}
WHERE user_id = ? AND meta_key = '{prefix}capabilities'
UNION ALL
SELECT 'community_roles', CAST(value AS BINARY)
FROM {prefix}fcom_meta
WHERE object_type = 'user' AND object_id = ? AND meta_key = '_user_community_roles'
