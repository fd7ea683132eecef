-- Also a mail that was given up for what turned out to be the server's matter.
UPDATE {prefix}fcom_sidecar_mail
SET state = 'pending', attempts = attempts - 1, next_attempt_at = ?, finished_at = NULL
WHERE id = ? AND state IN ('pending', 'dead') AND attempts > 0 AND lease IS NULL
