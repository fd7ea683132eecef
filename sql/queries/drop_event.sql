-- Unless a process has it.
DELETE FROM {prefix}fcom_sidecar_events
WHERE id = ? AND (lease IS NULL OR due_at <= UTC_TIMESTAMP(3))
