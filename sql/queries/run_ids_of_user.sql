-- As run_ids, of one user; of one webhook if its id is not 0.
SELECT id FROM {prefix}fcom_sidecar_runs
WHERE user_id = ? AND id < ? AND (? = 0 OR webhook_id = ?)
ORDER BY id DESC LIMIT ?
