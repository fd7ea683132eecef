-- For the user meta `_fcom_space_ids`, in the order of the primary key, as PHP reads them.
SELECT s.id AS space_id, COALESCE(s.privacy = 'public', FALSE) AS is_public,
    EXISTS (
        SELECT 1 FROM {prefix}fcom_space_user m
        WHERE m.space_id = s.id AND m.user_id = ? AND m.status = 'active'
    ) AS is_member
FROM {prefix}fcom_spaces s
WHERE s.type IN ('community', 'course')
ORDER BY s.id
