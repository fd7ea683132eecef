-- Sections of structured courses. The serialized meta says which of them send an e-mail; one that is longer than any
-- says nothing.
SELECT id, space_id, reactions_count AS days, CAST(LEFT(meta, 65536) AS BINARY) AS meta
FROM {prefix}fcom_posts
WHERE type = 'course_section' AND space_id IN ({each: ?})
ORDER BY id
