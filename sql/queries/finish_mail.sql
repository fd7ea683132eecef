-- Records the result of an attempt, if its lease still holds.
UPDATE {prefix}fcom_sidecar_mail
SET state = ?, lease = NULL, next_attempt_at = ?, last_error = ?, finished_at = ?
WHERE id = ? AND lease = ?
