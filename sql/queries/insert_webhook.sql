-- The plugin's columns; object_id stays NULL.
INSERT INTO {prefix}fcom_meta (object_type, meta_key, value, updated_at, created_at{more columns})
VALUES ('webhook', ?, ?, {local_time}, {local_time}{more values})
