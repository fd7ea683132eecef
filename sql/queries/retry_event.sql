-- With all its attempts before it. One that is on its way stays so.
UPDATE {prefix}fcom_sidecar_events
SET state = 'pending', attempts = 0, lease = NULL, due_at = UTC_TIMESTAMP(3), finished_at = NULL
WHERE id = ? AND (state = 'dead' OR state = 'pending' AND lease IS NULL)
