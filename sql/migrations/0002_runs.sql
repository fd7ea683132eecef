-- One row per executed call. `tallied`: whether running_count includes it. Times are UTC.
-- `idempotency_key` is a hash of the caller's Idempotency-Key, `fields_hash` of the form; both only if the caller sent the header.
-- The key identifies one call of the webhook, whichever of the webhook's keys callers use.
-- `client_address` is the origin of the call, if the operator wants it stored; `request_id` identifies the call in the logs.
CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_runs (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    call_id binary(16) NOT NULL,
    webhook_id bigint unsigned NOT NULL,
    user_id bigint unsigned NOT NULL,
    outcome varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    changes text NULL,
    idempotency_key binary(32) NULL,
    fields_hash binary(32) NULL,
    tallied tinyint unsigned NOT NULL DEFAULT 0,
    duration_ms int unsigned NOT NULL,
    client_address varchar(45) CHARACTER SET ascii COLLATE ascii_bin NULL,
    request_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    created_at datetime NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY call_id (call_id),
    UNIQUE KEY idempotency_key (idempotency_key, webhook_id),
    KEY tallied (tallied, id),
    KEY webhook_id (webhook_id, id),
    KEY user_id (user_id, id),
    KEY request_id (request_id, id),
    KEY created_at (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
