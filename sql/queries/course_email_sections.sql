-- Sections of structured courses; which of them send e-mail stands in the serialised meta.
SELECT id, space_id, reactions_count AS days, CAST(meta AS BINARY) AS meta
FROM {prefix}fcom_posts
WHERE type = 'course_section' AND space_id IN ({each: ?})
ORDER BY id
