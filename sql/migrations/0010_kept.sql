-- Fields of refused calls, encrypted, if the operator keeps them, so that the calls can be carried out later; and which of them were.
-- `key_id` tells keys apart without telling anything of them. `sealed` is NULL once the call was retried; `run_id` is its run, 0 if that is
-- no longer known. Times are UTC.
CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_kept (
    refused_id bigint unsigned NOT NULL,
    webhook_id bigint unsigned NOT NULL,
    created_at datetime NOT NULL,
    key_id binary(8) NULL,
    nonce binary(12) NULL,
    sealed blob NULL,
    run_id bigint unsigned NULL,
    PRIMARY KEY (refused_id),
    KEY run_id (run_id, created_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
