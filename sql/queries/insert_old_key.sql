-- If a replaced key was restored by hand and then replaced again, the last replacement decides how long it is valid. Binds the
-- webhook and the time twice: MySQL deprecates VALUES(), and MariaDB has no alternative.
INSERT INTO {prefix}fcom_sidecar_old_keys (key_hash, webhook_id, valid_until) VALUES (?, ?, ?)
ON DUPLICATE KEY UPDATE webhook_id = ?, valid_until = ?
