-- Promised welcome mails. Neither text nor reset key is stored: both are generated when the mail is sent.
-- While a worker has a mail, `lease` identifies the attempt and `next_attempt_at` is when the lease expires.
-- A mail is given up a configured time after `tried_since`. Times are UTC.
CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_mail (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    user_id bigint unsigned NOT NULL,
    webhook_id bigint unsigned NOT NULL,
    https tinyint unsigned NOT NULL DEFAULT 0,
    state varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending',
    attempts int unsigned NOT NULL DEFAULT 0,
    lease binary(16) NULL,
    next_attempt_at datetime NOT NULL,
    tried_since datetime NOT NULL,
    last_error text NULL,
    key_hash binary(32) NULL,
    password_hash binary(32) NULL,
    created_at datetime NOT NULL,
    finished_at datetime NULL,
    PRIMARY KEY (id),
    KEY due (state, next_attempt_at),
    KEY of_state (state, id),
    KEY lease (lease),
    KEY user_id (user_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
