-- The features, every webhook without its key, and every course.
SELECT 'features' AS kind, id, CAST(value AS BINARY) AS value
FROM {prefix}fcom_meta
WHERE object_type = 'option' AND meta_key = 'fluent_community_features'
UNION ALL
SELECT 'webhook', id, CAST(value AS BINARY) FROM {prefix}fcom_meta WHERE object_type = 'webhook'
UNION ALL
SELECT 'course', id, CAST(settings AS BINARY) FROM {prefix}fcom_spaces WHERE type = 'course'
ORDER BY kind, id
