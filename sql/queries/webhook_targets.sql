-- All spaces and courses. No index helps; a site has a few dozen.
SELECT id, COALESCE(title, '') AS title, COALESCE(slug, '') AS slug, logo, CAST(LEFT(settings, 262144) AS BINARY) AS settings,
    type = 'course' AS is_course
FROM {prefix}fcom_spaces
WHERE type IN ('community', 'course')
ORDER BY title, id
