-- Nothing unless the key is valid: strangers leave no rows. The key is compared byte for byte, as for a call.
INSERT INTO {prefix}fcom_sidecar_refused (created_at, webhook_id, outcome, status, address_hash, request_id)
SELECT ?, known.id, ?, ?, ?, ?
FROM (
    SELECT id FROM {prefix}fcom_meta
    WHERE object_type = 'webhook' AND meta_key = ? AND CAST(meta_key AS BINARY) = ?
    UNION ALL
    SELECT webhook_id FROM {prefix}fcom_sidecar_old_keys WHERE key_hash = UNHEX(?) AND valid_until > ?
) known
ORDER BY known.id
LIMIT 1
