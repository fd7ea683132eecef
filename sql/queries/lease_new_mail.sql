-- As lease_mail, the newest one that has not failed yet. Those that have are read, too: one for each try at a server that takes none, and
-- those whose recipients it does not take.
UPDATE {prefix}fcom_sidecar_mail FORCE INDEX (of_state)
SET tried_since = IF(attempts = 0, ?, tried_since), lease = ?, next_attempt_at = ?, attempts = attempts + 1
WHERE state = 'pending' AND next_attempt_at <= ? AND last_error IS NULL
ORDER BY id DESC
LIMIT 1
