-- The server's clock, because daemons on several machines compare these times.
INSERT INTO {prefix}fcom_sidecar_guard (subject, seen_at) VALUES {each: (?, UTC_TIMESTAMP())}
ON DUPLICATE KEY UPDATE seen_at = UTC_TIMESTAMP()
