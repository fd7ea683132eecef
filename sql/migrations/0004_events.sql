-- Hooks that WordPress has to fire, for each user in the order of the ids. `run_id` is NULL for what no call caused.
-- While a PHP process has an event, `lease` identifies the attempt and `due_at` is when the lease expires. A lease that is
-- still there then belonged to a process that died; `interrupted` counts these. After the end, `due_at` is the time of the end.
-- Times are UTC.
CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_events (
    id bigint unsigned NOT NULL AUTO_INCREMENT,
    run_id bigint unsigned NULL,
    user_id bigint unsigned NOT NULL,
    kind varchar(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    space_id bigint unsigned NULL,
    membership_id bigint unsigned NULL,
    is_new tinyint unsigned NOT NULL DEFAULT 0,
    role varchar(191) NULL,
    origin varchar(32) CHARACTER SET ascii COLLATE ascii_bin NULL,
    state varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'pending',
    attempts int unsigned NOT NULL DEFAULT 0,
    interrupted int unsigned NOT NULL DEFAULT 0,
    lease binary(16) NULL,
    due_at datetime(3) NOT NULL,
    last_error text NULL,
    duration_ms int unsigned NULL,
    created_at datetime(3) NOT NULL,
    finished_at datetime(3) NULL,
    PRIMARY KEY (id),
    KEY due (state, due_at),
    KEY of_user (user_id, state, id),
    KEY heads (state, user_id, id),
    KEY interrupted (interrupted)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
