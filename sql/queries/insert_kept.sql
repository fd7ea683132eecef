INSERT INTO {prefix}fcom_sidecar_kept (refused_id, webhook_id, created_at, key_id, nonce, sealed)
VALUES (?, ?, ?, ?, ?, ?)
