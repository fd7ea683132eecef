-- Every key that opens a webhook: the current ones, and the hashes of replaced ones that are still valid.
SELECT 1 AS is_hash, key_hash AS secret, webhook_id
FROM {prefix}fcom_sidecar_old_keys
WHERE valid_until > ?
UNION ALL
SELECT 0, CAST(meta_key AS BINARY), id
FROM {prefix}fcom_meta
WHERE object_type = 'webhook'
