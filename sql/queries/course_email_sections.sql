-- Sections of structured courses. The serialized meta says which of them send an e-mail.
SELECT id, space_id, reactions_count AS days, CAST(meta AS BINARY) AS meta
FROM {prefix}fcom_posts
WHERE type = 'course_section' AND space_id IN ({each: ?})
ORDER BY id
