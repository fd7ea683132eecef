-- Times are returned as written, local to the site. An empty search is '%'. Like the plugin, it also searches keys.
SELECT id, object_type, object_id, CAST(meta_key AS BINARY) AS meta_key, CAST(value AS BINARY) AS value,
    CAST(created_at AS CHAR) AS created_at, CAST(updated_at AS CHAR) AS updated_at
FROM {prefix}fcom_meta
WHERE object_type = 'webhook' AND (meta_key LIKE ? OR value LIKE ?)
ORDER BY id
