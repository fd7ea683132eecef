-- The tally's lock: taken for webhooks in ascending id.
SELECT CAST(value AS BINARY) AS value FROM {prefix}fcom_meta WHERE id = ? AND object_type = 'webhook' FOR UPDATE
