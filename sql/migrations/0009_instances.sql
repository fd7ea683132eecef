-- The daemons that run. Each confirms its row every few seconds, and deletes it when it ends. `mail_state` says whether mails leave
-- through it: "none" (it sends none), "sends", "waits" (its mail server cannot be used at the moment) or "refused" (until
-- somebody changes something), `mail_words` why not. `settings` tells apart instances whose settings differ. Times are UTC.
-- `tries_asked` grows when an operator asks for a try at once.
CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_instances (
    id binary(16) NOT NULL,
    name varchar(255) NOT NULL,
    seen_at datetime NOT NULL,
    settings varchar(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    mail_state varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT 'none',
    mail_since datetime NULL,
    mail_words text NULL,
    tries_asked int unsigned NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    KEY seen_at (seen_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
