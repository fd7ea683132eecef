-- Events that have been due for longer than a number of days, of which the option admits 36,500 at most. An attempt and an operator's
-- retry make an event due anew. In small batches, so that no call waits for it.
UPDATE {prefix}fcom_sidecar_events
SET state = 'dead', lease = NULL,
    last_error = CONCAT_WS('; ', 'it waited longer than relay.give_up_days', last_error),
    due_at = UTC_TIMESTAMP(3), finished_at = UTC_TIMESTAMP(3)
WHERE state = 'pending' AND due_at < UTC_TIMESTAMP(3) - INTERVAL LEAST(?, 36500) DAY
ORDER BY state, due_at LIMIT 500
