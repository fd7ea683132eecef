-- Before the commit: waiters then find no claim, and the user that it stood for. By the call and its index: looked for by
-- their names, the optimizer would rather read every row of so small a table, and wait for the claims of every other call.
DELETE c FROM {base}fcom_sidecar_claims AS c FORCE INDEX (call_id)
WHERE c.call_id = ?
