-- Everything that a call has to know before it decides, in one round trip, read outside any transaction. Values are cast to
-- bytes, so that tables of different collations can share one result and invalid text is not an error.
SELECT 'webhook' AS kind, id, CAST(meta_key AS BINARY) AS name, CAST(value AS BINARY) AS value
FROM {prefix}fcom_meta
WHERE object_type = 'webhook' AND meta_key = ?
UNION ALL
-- By the hash of a replaced key, while it is still valid.
SELECT 'webhook of old key', m.id, '', CAST(m.value AS BINARY)
FROM {prefix}fcom_sidecar_old_keys k
JOIN {prefix}fcom_meta m ON m.id = k.webhook_id AND m.object_type = 'webhook'
WHERE k.key_hash = UNHEX(?) AND k.valid_until > ?
UNION ALL
SELECT 'features', id, '', CAST(value AS BINARY)
FROM {prefix}fcom_meta
WHERE object_type = 'option' AND meta_key = 'fluent_community_features'
UNION ALL
SELECT 'option', option_id, CAST(option_name AS BINARY), CAST(option_value AS BINARY)
FROM {prefix}options
WHERE option_name IN ('default_role', 'timezone_string', 'gmt_offset', 'WPLANG', 'db_version', '{prefix}user_roles')
UNION ALL
SELECT 'option', option_id, CAST(option_name AS BINARY), CAST(LEFT(option_value, 64) AS BINARY)
FROM {prefix}options
WHERE option_name = '_transient_wp_core_block_css_files'
{network:
UNION ALL
SELECT 'option', CAST(n.meta_id AS UNSIGNED), CAST(CONCAT('network/', n.meta_key) AS BINARY), CAST(n.meta_value AS BINARY)
FROM {base}blogs b
JOIN {base}sitemeta n ON n.site_id = b.site_id
WHERE b.blog_id = {blog_id} AND n.meta_key = 'WPLANG'
UNION ALL
SELECT 'blog', CAST(blog_id AS UNSIGNED), CAST(domain AS BINARY), CAST(CONCAT_WS('|', archived, spam, deleted) AS BINARY)
FROM {base}blogs
WHERE blog_id = {blog_id}
}
UNION ALL
SELECT 'user', ID, CAST(user_email AS BINARY), ''
FROM {users}
WHERE user_email IN (?, ?, ?)
UNION ALL
-- One row for each webhook that was called with this Idempotency-Key.
SELECT 'run', user_id, fields_hash, CAST(CONCAT_WS('|', webhook_id, outcome, created_at) AS BINARY)
FROM {prefix}fcom_sidecar_runs
WHERE idempotency_key = ?
UNION ALL
-- As names_taken, as a list, for the names that a new user would probably get; costs nothing for an existing user.
SELECT 'taken', CAST(0 AS UNSIGNED), '', CONCAT_WS(',', {each: CAST(
    EXISTS (SELECT 1 FROM {users} WHERE user_login = ?)
    + 2 * EXISTS (SELECT 1 FROM {users} WHERE user_nicename = ?)
    + 4 * EXISTS (SELECT 1 FROM {prefix}fcom_xprofile WHERE username = ?)
    + 8 * EXISTS (SELECT 1 FROM {users} WHERE user_email = ?) AS CHAR)})
FROM DUAL
WHERE NOT EXISTS (SELECT 1 FROM {users} WHERE user_email IN (?, ?, ?))
