-- Every webhook; a title stands inside its value only.
SELECT id, CAST(value AS BINARY) AS value FROM {prefix}fcom_meta WHERE object_type = 'webhook' ORDER BY id
