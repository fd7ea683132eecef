-- Everything that a call has to know before it decides, in one round trip, read outside any transaction. Each SELECT costs as much
-- as several rows, so there are few of them. Values are cast to bytes, so that tables of different collations can share one result
-- and invalid text is not an error.
SELECT IF(object_type = 'webhook', 'webhook', IF(object_type = 'option' AND meta_key = 'fluent_community_features', 'features', ''))
        AS kind,
    id, CAST(meta_key AS BINARY) AS name, CAST(value AS BINARY) AS value
FROM {prefix}fcom_meta
WHERE meta_key IN (?, 'fluent_community_features')
UNION ALL
SELECT 'option', option_id, CAST(option_name AS BINARY),
    CAST(IF(option_name = '_transient_wp_core_block_css_files', LEFT(option_value, 64), option_value) AS BINARY)
FROM {prefix}options
WHERE option_name IN ('default_role', 'timezone_string', 'gmt_offset', 'WPLANG', 'db_version', 'user_count', '{prefix}user_roles',
    '_transient_wp_core_block_css_files')
{network:
UNION ALL
SELECT 'option', CAST(n.meta_id AS UNSIGNED), CAST(CONCAT('network/', n.meta_key) AS BINARY), CAST(n.meta_value AS BINARY)
FROM {base}blogs b
JOIN {base}sitemeta n ON n.site_id = b.site_id
WHERE b.blog_id = {blog_id} AND n.meta_key IN ('WPLANG', 'user_count')
UNION ALL
SELECT 'blog', CAST(blog_id AS UNSIGNED), CAST(domain AS BINARY), CAST(CONCAT_WS('|', archived, spam, deleted) AS BINARY)
FROM {base}blogs
WHERE blog_id = {blog_id}
}
UNION ALL
SELECT 'user', ID, CAST(user_email AS BINARY), IF(EXISTS (SELECT 1 FROM {prefix}fcom_xprofile x WHERE x.user_id = u.ID), 'profile', '')
FROM {users} u
WHERE user_email IN (?, ?, ?)
