UPDATE {prefix}fcom_sidecar_events
SET state = 'pending', attempts = 0, lease = NULL, due_at = UTC_TIMESTAMP(3), finished_at = NULL
WHERE state = 'dead'
