UPDATE {prefix}fcom_sidecar_mail
SET state = 'pending', attempts = 0, next_attempt_at = ?, tried_since = ?, finished_at = NULL
WHERE state = 'dead' AND lease IS NULL
