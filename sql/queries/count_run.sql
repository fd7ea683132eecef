-- A call counts its own run, which it has just inserted, unless the webhook's record is no longer the one that it has read. One statement for
-- both rows: when the connection ends meanwhile, the server (MariaDB 10.11) goes on to the commit, but forgets what ROW_COUNT() was.
UPDATE {prefix}fcom_meta m
JOIN {prefix}fcom_sidecar_runs r ON r.call_id = ?
SET m.value = ?, m.updated_at = {local_time}, r.tallied = 1
WHERE m.id = ? AND m.object_type = 'webhook' AND CAST(m.value AS BINARY) = ?
