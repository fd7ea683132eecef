-- A call counts its own run, unless the record is no longer the one that it has read. The run's record, which is inserted next,
-- notes whether it did.
UPDATE {prefix}fcom_meta SET value = ?, updated_at = {local_time}
WHERE id = ? AND object_type = 'webhook' AND CAST(value AS BINARY) = ?
