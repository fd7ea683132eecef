-- Options that determine what calls do and where they arrive.
SELECT CAST(option_name AS BINARY) AS name, CAST(option_value AS BINARY) AS value
FROM {prefix}options
WHERE option_name IN ('default_role', 'timezone_string', 'gmt_offset', 'WPLANG', 'db_version', '{prefix}user_roles',
    'home', 'siteurl', 'active_plugins', 'fluent_community_db_version', 'fluent_community_settings', '_fcom_crm_tagging',
    'sg_security_login_type', 'itsec-storage', 'cerber-main', 'perfmatters_options', 'admin_site_enhancements')
UNION ALL
SELECT CAST(option_name AS BINARY), CAST(LEFT(option_value, 64) AS BINARY)
FROM {prefix}options
WHERE option_name = '_transient_wp_core_block_css_files'
{network:
UNION ALL
SELECT CAST(CONCAT('network/', n.meta_key) AS BINARY), CAST(n.meta_value AS BINARY)
FROM {base}blogs b
JOIN {base}sitemeta n ON n.site_id = b.site_id
WHERE b.blog_id = {blog_id} AND n.meta_key IN ('WPLANG', 'active_sitewide_plugins')
}
