-- Due at once, with all attempts again. A mail that was sent is not sent twice.
UPDATE {prefix}fcom_sidecar_mail
SET state = 'pending', attempts = 0, next_attempt_at = ?, tried_since = ?, finished_at = NULL
WHERE id = ? AND state IN ('pending', 'dead', 'skipped') AND lease IS NULL
