-- Events that have been due since before a moment. An attempt and an operator's retry make an event due anew. In small batches, so
-- that no call waits for it.
UPDATE {prefix}fcom_sidecar_events
SET state = 'dead', lease = NULL,
    last_error = CONCAT_WS('; ', 'it waited longer than relay.give_up_days', last_error),
    due_at = UTC_TIMESTAMP(3), finished_at = UTC_TIMESTAMP(3)
WHERE state = 'pending' AND due_at < ?
ORDER BY state, due_at LIMIT 500
