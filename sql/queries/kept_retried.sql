-- In the transaction of the retry, right behind the record of its run: the fields have served.
UPDATE {prefix}fcom_sidecar_kept SET run_id = LAST_INSERT_ID(), key_id = NULL, nonce = NULL, sealed = NULL
WHERE refused_id = ?
