-- Whether the user's reset key is that of an earlier attempt, or there is none; and whether the password is the one that the call
-- wrote; NULL for mails that were promised by a release that did not note it. And the time.
SELECT u.user_activation_key = '' OR COALESCE(UNHEX(SHA2(u.user_activation_key, 256)) = m.key_hash, 0) AS is_own_key,
    UNHEX(SHA2(u.user_pass, 256)) = m.password_hash AS is_first_password, UTC_TIMESTAMP() AS now
FROM {prefix}fcom_sidecar_mail m
JOIN {users} u ON u.ID = m.user_id
WHERE m.id = ?
