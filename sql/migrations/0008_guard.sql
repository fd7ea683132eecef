-- What the must-use plugin keeps PHP from executing with the key alone: "webhook ID" or "title SHA-256". Each running daemon confirms
-- its own every few seconds; what none confirms any more is deleted by one that runs. And "guard LEVEL", by which the plugin
-- says that it works. Times are UTC.
CREATE TABLE IF NOT EXISTS {prefix}fcom_sidecar_guard (
    subject varchar(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    seen_at datetime NOT NULL,
    PRIMARY KEY (subject)
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4
