-- What a profile is made of for a user who exists already; the first row of a key counts.
SELECT meta_key, CAST(meta_value AS BINARY) AS meta_value
FROM {usermeta}
WHERE user_id = ? AND meta_key IN ('first_name', 'last_name', 'description', '_fluent_cover_photo')
ORDER BY umeta_id
