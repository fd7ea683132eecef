-- The server's clock, because daemons on several machines compare these times.
INSERT INTO {prefix}fcom_sidecar_instances (id, name, seen_at, settings, mail_state, mail_since, mail_words)
VALUES (?, ?, UTC_TIMESTAMP(), ?, ?, ?, ?)
ON DUPLICATE KEY UPDATE seen_at = UTC_TIMESTAMP(), settings = ?, mail_state = ?, mail_since = ?, mail_words = ?
