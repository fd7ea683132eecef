SELECT user_id, fields_hash, CAST(CONCAT_WS('|', webhook_id, outcome, executed_at) AS BINARY)
FROM {prefix}fcom_sidecar_signed
WHERE id_hash = ? AND webhook_id = ?
