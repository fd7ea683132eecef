-- Whether a commit took place whose response was lost.
SELECT id, webhook_id, user_id, outcome, created_at FROM {prefix}fcom_sidecar_runs WHERE call_id = ?
