-- The spaces and courses with these ids, each with the user's memberships, including duplicates that PHP created. user_id is a
-- VARCHAR: bind it as text, or the index is not used. The status is compared in SQL, too, because PHP does both. Settings that are
-- longer than any count as none. Not sorted: the server would need a temporary table on disk for it.
SELECT s.id AS space_id, s.type = 'course' AS is_course,
    IF(s.type = 'course', CAST(LEFT(s.settings, 262144) AS BINARY), NULL) AS settings,
    m.id AS membership_id, m.status, COALESCE(m.status = 'active', FALSE) AS is_active, m.role,
    CAST(m.created_at AS CHAR) AS created_at
FROM {prefix}fcom_spaces s
LEFT JOIN {prefix}fcom_space_user m ON m.space_id = s.id AND m.user_id = ?
WHERE s.type IN ('community', 'course') AND s.id IN ({each: ?})
