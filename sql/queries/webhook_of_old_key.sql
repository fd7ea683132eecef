-- By the hash of a replaced key, while it is still valid.
SELECT m.id, CAST(m.value AS BINARY) AS value
FROM {prefix}fcom_sidecar_old_keys k
JOIN {prefix}fcom_meta m ON m.id = k.webhook_id AND m.object_type = 'webhook'
WHERE k.key_hash = UNHEX(?) AND k.valid_until > ?
