-- As run_ids, for one webhook.
SELECT id FROM {prefix}fcom_sidecar_runs WHERE webhook_id = ? AND id < ? ORDER BY id DESC LIMIT ?
