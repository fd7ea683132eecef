-- There is no index on request_id, which only an operator looks for: one part of the table after the other, in the order of its key.
SELECT id FROM {prefix}fcom_sidecar_runs
WHERE id BETWEEN ? AND ? AND request_id = ?
ORDER BY id DESC
