-- The options from which WordPress composes a mail, and those of plugins that move its login page.
SELECT CAST(option_name AS BINARY) AS name, CAST(LEFT(option_value, 65535) AS BINARY) AS value
FROM {prefix}options
WHERE option_name IN ('siteurl', 'home', 'blogname', 'WPLANG', 'db_version', '_transient_wp_core_block_css_files',
    'active_plugins', 'permalink_structure', 'whl_page', 'rwl_page', 'aio_wp_security_configs')
{network:
UNION ALL
SELECT CAST(CONCAT('network/', n.meta_key) AS BINARY), CAST(LEFT(n.meta_value, 65535) AS BINARY)
FROM {base}blogs b
JOIN {base}sitemeta n ON n.site_id = b.site_id
WHERE b.blog_id = {blog_id} AND n.meta_key IN ('WPLANG', 'active_sitewide_plugins', 'whl_page', 'rwl_page')
UNION ALL
SELECT 'network', CAST(CONCAT_WS('|', s.id, s.domain, s.path) AS BINARY)
FROM {base}blogs b
JOIN {base}site s ON s.id = b.site_id
WHERE b.blog_id = {blog_id}
}
