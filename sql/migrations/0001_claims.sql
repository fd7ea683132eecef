-- Locks on names that are being created. A row exists within one transaction only; the table is empty at rest.
-- 100 characters is the maximum length of user_email, user_login, user_nicename and the profile's username, and keeps the key
-- below 767 bytes, the limit of old row formats.
CREATE TABLE IF NOT EXISTS {base}fcom_sidecar_claims (
    kind varchar(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    value varchar(100) NOT NULL,
    call_id binary(16) NOT NULL,
    PRIMARY KEY (kind, value),
    KEY call_id (call_id)
) ENGINE = InnoDB DEFAULT CHARACTER SET {charset} COLLATE {collation}
