-- Marks of refused calls that are no longer recorded: these are deleted in their order. What was not retried goes by its age, for what has no
-- refused call yet may be another instance's, which has not committed it.
DELETE FROM {prefix}fcom_sidecar_kept
WHERE run_id IS NOT NULL AND refused_id < (SELECT COALESCE(MIN(id), ~0) FROM {prefix}fcom_sidecar_refused)
ORDER BY refused_id LIMIT 500
