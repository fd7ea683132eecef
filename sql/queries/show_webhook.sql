SELECT id, object_type, object_id, CAST(meta_key AS BINARY) AS meta_key, CAST(value AS BINARY) AS value,
    CAST(created_at AS CHAR) AS created_at, CAST(updated_at AS CHAR) AS updated_at
FROM {prefix}fcom_meta
WHERE id = ? AND object_type = 'webhook'
