-- Waits for a transaction that is creating one of these names. The no-op update, in place of a plain insert, keeps colliding
-- transactions from deadlocking on each other's shared locks.
INSERT INTO {base}fcom_sidecar_claims (kind, value, call_id)
VALUES {each: (?, ?, ?)}
ON DUPLICATE KEY UPDATE kind = kind
