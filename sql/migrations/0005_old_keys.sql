-- Replaced webhook keys that are still valid for a while, as hashes, from which no key can be recovered. Times are UTC.
CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_old_keys (
    key_hash binary(32) NOT NULL,
    webhook_id bigint unsigned NOT NULL,
    valid_until datetime NOT NULL,
    PRIMARY KEY (key_hash),
    KEY webhook_id (webhook_id),
    KEY valid_until (valid_until)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
