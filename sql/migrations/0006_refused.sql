-- Calls with a valid key that were refused. No field of the call is kept; the address only as a keyed hash. `webhook_id` is NULL for a
-- row that stands for several requests that were too many to be kept one by one; `calls` is their number. Times are UTC.
-- Of its form: the names that its fields had, as a JSON list, how many more there were, and in one word what came as address.
CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_refused (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    created_at datetime NOT NULL,
    webhook_id bigint unsigned NULL,
    outcome varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    status smallint unsigned NOT NULL,
    calls int unsigned NOT NULL DEFAULT 1,
    address_hash binary(16) NULL,
    request_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    client_address varchar(45) CHARACTER SET ascii COLLATE ascii_bin NULL,
    message varchar(255) NULL,
    content_type varchar(100) CHARACTER SET ascii COLLATE ascii_bin NULL,
    content_length bigint unsigned NULL,
    email varchar(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
    fields text NULL,
    more_fields int unsigned NULL,
    PRIMARY KEY (id),
    KEY created_at (created_at),
    KEY address_hash (address_hash, id),
    KEY webhook_id (webhook_id, id),
    KEY request_id (request_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
