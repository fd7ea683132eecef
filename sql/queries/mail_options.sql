-- What WordPress makes a mail from.
SELECT CAST(option_name AS BINARY) AS name, CAST(LEFT(option_value, 4096) AS BINARY) AS value
FROM {prefix}options
WHERE option_name IN ('siteurl', 'home', 'blogname', 'WPLANG', 'db_version', '_transient_wp_core_block_css_files')
