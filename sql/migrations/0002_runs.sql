-- One row per executed call. `tallied` tells whether running_count has heard of it. Times are UTC.
-- `idempotency_key` is a hash of what the caller sent under that name, `fields_hash` of the form; both only if he did. It
-- stands for one call of the webhook, whichever of its keys the callers have.
-- `client_address` is where the call came from, if the operator wants that kept, `request_id` its name in the logs.
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
    KEY created_at (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
