-- As run_ids, for one user, and for one webhook unless its id is 0.
SELECT id FROM {prefix}fcom_sidecar_runs
WHERE user_id = ? AND id < ? AND (? = 0 OR webhook_id = ?)
ORDER BY id DESC LIMIT ?
