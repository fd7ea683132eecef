-- A key that was replaced, then put back by hand and replaced again is valid for as long as the last time says. Binds the
-- webhook and the time twice: MySQL is to lose VALUES(), and MariaDB has nothing else.
INSERT INTO {prefix}fcom_sidecar_old_keys (key_hash, webhook_id, valid_until) VALUES (?, ?, ?)
ON DUPLICATE KEY UPDATE webhook_id = ?, valid_until = ?
