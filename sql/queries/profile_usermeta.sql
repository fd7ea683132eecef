-- The sources of an existing user's first profile; the first row of each key counts. Users write them, of any length; the profile's
-- columns hold no more.
SELECT meta_key, CAST(LEFT(meta_value, 65536) AS BINARY) AS meta_value
FROM {usermeta}
WHERE user_id = ? AND meta_key IN ('first_name', 'last_name', 'description', '_fluent_cover_photo')
ORDER BY umeta_id
