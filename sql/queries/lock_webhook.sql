-- The tally's lock, taken in ascending order of webhook ids.
SELECT CAST(value AS BINARY) AS value FROM {prefix}fcom_meta WHERE id = ? AND object_type = 'webhook' FOR UPDATE
