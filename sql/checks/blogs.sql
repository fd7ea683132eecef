-- The sites of the network, the configured one first.
SELECT CAST(b.blog_id AS UNSIGNED) AS blog_id, CAST(b.site_id AS UNSIGNED) AS network_id, CAST(b.domain AS CHAR) AS domain, CAST(b.path AS CHAR) AS path,
    CAST(CONCAT_WS('|', b.archived, b.spam, b.deleted) AS CHAR) AS flags
FROM {base}blogs b
ORDER BY b.blog_id = {blog_id} DESC, b.blog_id
LIMIT 20
