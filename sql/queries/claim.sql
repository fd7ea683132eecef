-- Waits for whoever is creating one of these names. The no-op update instead of a plain insert is what keeps colliding
-- transactions from deadlocking on each other's shared locks.
INSERT INTO {base}fcom_sidecar_claims (kind, value, call_id)
VALUES {each: (?, ?, ?)}
ON DUPLICATE KEY UPDATE kind = kind
