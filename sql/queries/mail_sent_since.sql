-- A mail that was sent has the time of that in `next_attempt_at`, for which there is an index.
SELECT 1 FROM {prefix}fcom_sidecar_mail FORCE INDEX (due) WHERE state = 'sent' AND next_attempt_at >= ? LIMIT 1
