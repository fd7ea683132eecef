-- Due at once, with all attempts again, unless a process has it: the lease of one that was killed ends. Should that process come back, it
-- records nothing: its attempt is none of those that count now. A mail that was sent is not sent twice.
UPDATE {prefix}fcom_sidecar_mail
SET state = 'pending', attempts = 0, lease = NULL, next_attempt_at = ?, tried_since = ?, finished_at = NULL
WHERE id = ? AND state IN ('pending', 'dead', 'skipped') AND (lease IS NULL OR state = 'pending' AND next_attempt_at <= ?)
