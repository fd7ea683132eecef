INSERT INTO {prefix}fcom_sidecar_signed (id_hash, webhook_id, fields_hash, user_id, outcome, executed_at, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
