-- All spaces and courses, which have no index that helps; a site has some dozens.
SELECT id, COALESCE(title, '') AS title, COALESCE(slug, '') AS slug, logo, CAST(settings AS BINARY) AS settings,
    type = 'course' AS is_course
FROM {prefix}fcom_spaces
WHERE type IN ('community', 'course')
ORDER BY title, id
