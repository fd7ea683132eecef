-- A refused call, with what was kept of it.
SELECT r.webhook_id, r.created_at, k.key_id, k.nonce, k.sealed, k.run_id
FROM {prefix}fcom_sidecar_refused r
LEFT JOIN {prefix}fcom_sidecar_kept k FORCE INDEX (PRIMARY) ON k.refused_id = r.id
WHERE r.id = ?
