-- What the management of webhooks needs to know about the site: address, time zone, roles and features.
SELECT CAST(option_name AS BINARY) AS name, CAST(option_value AS BINARY) AS value
FROM {prefix}options
WHERE option_name IN ('home', 'siteurl', 'fluent_community_settings', 'timezone_string', 'gmt_offset', '{prefix}user_roles')
UNION ALL
(SELECT CAST(meta_key AS BINARY), CAST(value AS BINARY)
FROM {prefix}fcom_meta
WHERE object_type = 'option' AND meta_key = 'fluent_community_features'
ORDER BY id
LIMIT 1)
