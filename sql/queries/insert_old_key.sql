-- A key that was replaced, then put back by hand and replaced again is valid for as long as the last time says.
INSERT INTO {prefix}fcom_sidecar_old_keys (key_hash, webhook_id, valid_until) VALUES (?, ?, ?)
ON DUPLICATE KEY UPDATE webhook_id = VALUES(webhook_id), valid_until = VALUES(valid_until)
