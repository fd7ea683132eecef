-- Calls that ran while this one did: those that ended after it had begun, and those that still run. What began ten minutes ago and has
-- not ended was interrupted.
SELECT webhook_id, address_hash
FROM {prefix}fcom_sidecar_shadow
WHERE ended_at >= (SELECT started_at FROM {prefix}fcom_sidecar_shadow WHERE id = ?) AND id <> ?
UNION ALL
SELECT webhook_id, address_hash
FROM {prefix}fcom_sidecar_shadow
WHERE ended_at IS NULL AND started_at >= UTC_TIMESTAMP(6) - INTERVAL 10 MINUTE AND id <> ?
LIMIT 500
