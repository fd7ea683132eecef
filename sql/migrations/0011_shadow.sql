-- Calls that were passed to PHP in shadow mode, and what the comparison found. Times are UTC, by the server's clock, because daemons on
-- several machines compare them. `verdict` is NULL while the call runs, and stays so if it was never compared. The address is kept as
-- a keyed hash only. `findings` is JSON, without secrets and addresses.
CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_shadow (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    started_at datetime(6) NOT NULL,
    ended_at datetime(6) NULL,
    webhook_id bigint unsigned NULL,
    user_id bigint unsigned NULL,
    verdict varchar(16) CHARACTER SET ascii COLLATE ascii_bin NULL,
    sidecar_status smallint unsigned NULL,
    php_status smallint unsigned NULL,
    sidecar_ms int unsigned NULL,
    php_ms int unsigned NULL,
    address_hash binary(16) NULL,
    request_id varchar(64) CHARACTER SET ascii COLLATE ascii_bin NULL,
    findings mediumtext NULL,
    PRIMARY KEY (id),
    KEY started_at (started_at),
    KEY ended_at (ended_at, started_at),
    KEY verdict (verdict, id),
    KEY figures (verdict, started_at, php_ms, sidecar_ms)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
