-- Where a call came from, if the operator wants that kept, and the name that its request had in the logs.
ALTER TABLE {prefix}fcom_sidecar_runs
    ADD COLUMN client_address varchar(45) CHARACTER SET ascii COLLATE ascii_bin NULL,
    ADD COLUMN request_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NULL
