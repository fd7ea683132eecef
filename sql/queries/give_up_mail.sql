-- Mails that waited for too long. The time in `next_attempt_at` of those that are leased is yet to come.
UPDATE {prefix}fcom_sidecar_mail
SET state = 'dead', lease = NULL, last_error = ?, next_attempt_at = ?, finished_at = ?
WHERE state = 'pending' AND next_attempt_at <= ? AND tried_since <= ?
ORDER BY next_attempt_at, id
LIMIT 500
