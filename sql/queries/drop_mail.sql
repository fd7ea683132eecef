-- Unless a process has it: the lease of one that was killed ends.
DELETE FROM {prefix}fcom_sidecar_mail WHERE id = ? AND (lease IS NULL OR state = 'pending' AND next_attempt_at <= ?)
