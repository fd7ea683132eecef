-- Everything that can make a user an administrator or moderator of the whole community. A super admin of a network may do
-- everything on all of its sites. A list that is longer than any is not read to its end, and gives nobody a role.
SELECT 'capabilities' AS kind, CAST(LEFT(meta_value, 65536) AS BINARY) AS value
FROM {usermeta}
WHERE user_id = ? AND meta_key = '{prefix}capabilities'
UNION ALL
SELECT 'community_roles', CAST(LEFT(value, 65536) AS BINARY)
FROM {prefix}fcom_meta
WHERE object_type = 'user' AND object_id = ? AND meta_key = '_user_community_roles'
UNION ALL
SELECT 'login', CAST(user_login AS BINARY)
FROM {users}
WHERE ID = ?
{network:
UNION ALL
SELECT 'site_admins', CAST(LEFT(n.meta_value, 262144) AS BINARY)
FROM {base}blogs b
JOIN {base}sitemeta n ON n.site_id = b.site_id
WHERE b.blog_id = {blog_id} AND n.meta_key = 'site_admins'
}
