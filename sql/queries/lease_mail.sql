-- Leases the mail that has been due for longest. If the worker dies, the lease expires and another one takes the mail. The time after
-- which it is given up begins with the first attempt.
UPDATE {prefix}fcom_sidecar_mail
SET tried_since = IF(attempts = 0 AND last_error IS NULL, ?, tried_since), lease = ?, next_attempt_at = ?,
    attempts = attempts + 1
WHERE state = 'pending' AND next_attempt_at <= ?
ORDER BY next_attempt_at, id
LIMIT 1
