-- The call turns out to have been executed before, as the run with this number, or with one that is no longer known.
UPDATE {prefix}fcom_sidecar_kept SET run_id = ?, key_id = NULL, nonce = NULL, sealed = NULL
WHERE refused_id = ? AND run_id IS NULL
