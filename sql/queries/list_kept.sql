-- Refused calls that were not retried, the oldest first.
SELECT k.refused_id, r.webhook_id, r.outcome
FROM {prefix}fcom_sidecar_kept k FORCE INDEX (PRIMARY)
JOIN {prefix}fcom_sidecar_refused r ON r.id = k.refused_id
WHERE k.refused_id > ? AND k.run_id IS NULL
ORDER BY k.refused_id
LIMIT 500
