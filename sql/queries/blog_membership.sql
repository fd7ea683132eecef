-- What add_user_to_blog reads and writes; the first row of each key counts. Only whether a value is empty matters.
SELECT CAST(meta_key AS BINARY) AS name, CAST(LEFT(meta_value, 64) AS BINARY) AS value
FROM {usermeta}
WHERE user_id = ? AND meta_key IN ('{prefix}capabilities', '{prefix}user_level', 'primary_blog', 'source_domain')
ORDER BY umeta_id
