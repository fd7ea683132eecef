-- Before the commit: waiting transactions then find no claim, but the user. By the call's index: for a search by names, the
-- optimizer would read every row of such a small table, and wait for the claims of all other calls.
DELETE c FROM {base}fcom_sidecar_claims AS c FORCE INDEX (call_id)
WHERE c.call_id = ?
