-- What may be the webhook of a key: the collation is lenient, so keys are compared byte for byte afterwards.
SELECT 0 AS is_old, id, CAST(meta_key AS BINARY) AS secret
FROM {prefix}fcom_meta
WHERE object_type = 'webhook' AND meta_key = ?
UNION ALL
-- By the hash of a replaced key, while it is still valid.
SELECT 1, m.id, k.key_hash
FROM {prefix}fcom_sidecar_old_keys k
JOIN {prefix}fcom_meta m ON m.id = k.webhook_id AND m.object_type = 'webhook'
WHERE k.key_hash = UNHEX(?) AND k.valid_until > ?
