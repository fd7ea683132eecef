-- The run whose answer was repeated.
SELECT id FROM {prefix}fcom_sidecar_runs WHERE user_id = ? AND webhook_id = ? AND created_at = ? ORDER BY id DESC LIMIT 1
