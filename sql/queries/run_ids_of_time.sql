SELECT id FROM {prefix}fcom_sidecar_runs FORCE INDEX (created_at)
WHERE created_at >= ? AND created_at < ?
ORDER BY created_at DESC, id DESC
LIMIT ?
