-- All webhooks; the title is part of the serialized value only.
SELECT id, CAST(value AS BINARY) AS value FROM {prefix}fcom_meta WHERE object_type = 'webhook' ORDER BY id
