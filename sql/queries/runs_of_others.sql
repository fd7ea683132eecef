-- The newest run, and how many since an earlier one are none of an import's, whose calls' ids begin alike.
SELECT MAX(id), COUNT(IF(LEFT(call_id, 8) = ?, NULL, 1)) FROM {prefix}fcom_sidecar_runs WHERE id > ?
