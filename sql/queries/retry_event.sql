-- With all attempts again. An event that a process has stays as it is.
UPDATE {prefix}fcom_sidecar_events
SET state = 'pending', attempts = 0, lease = NULL, due_at = UTC_TIMESTAMP(3), finished_at = NULL
WHERE id = ? AND (state = 'dead' OR state = 'pending' AND lease IS NULL)
