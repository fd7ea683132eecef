-- The executed calls that were signed. A webhook-id stands for one call of the webhook: a row keeps the answer to that call for as long
-- as its signature could be valid, and longer. Only hashes of the id and of the form. `executed_at` is part of the answer. Times are UTC.
CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_signed (
    id_hash binary(32) NOT NULL,
    webhook_id bigint unsigned NOT NULL,
    fields_hash binary(32) NOT NULL,
    user_id bigint unsigned NOT NULL,
    outcome varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    executed_at datetime NOT NULL,
    created_at datetime NOT NULL,
    PRIMARY KEY (id_hash, webhook_id),
    KEY created_at (created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
