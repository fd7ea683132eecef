-- The time zone, the version and the user count, at the moment of counting.
SELECT CAST(option_name AS BINARY) AS name, CAST(LEFT(option_value, 64) AS BINARY) AS value
FROM {prefix}options
WHERE option_name IN ('timezone_string', 'gmt_offset', 'db_version', 'user_count', '_transient_wp_core_block_css_files')
{network:
UNION ALL
SELECT CAST(CONCAT('network/', n.meta_key) AS BINARY), CAST(LEFT(n.meta_value, 64) AS BINARY)
FROM {base}blogs b
JOIN {base}sitemeta n ON n.site_id = b.site_id
WHERE b.blog_id = {blog_id} AND n.meta_key = 'user_count'
}
