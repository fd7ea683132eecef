INSERT INTO {prefix}fcom_sidecar_mail (user_id, webhook_id, https, password_hash, next_attempt_at, tried_since, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
