-- Records the result of an attempt, if its lease still holds. The second value is the number of attempts that do not count.
UPDATE {prefix}fcom_sidecar_mail
SET state = ?, attempts = attempts - ?, lease = NULL, next_attempt_at = ?, last_error = ?, finished_at = ?
WHERE id = ? AND lease = ?
