UPDATE {prefix}fcom_sidecar_mail
SET attempts = attempts - 1, next_attempt_at = ?
WHERE id = ? AND state = 'pending' AND attempts > 0 AND lease IS NULL
