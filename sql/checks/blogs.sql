-- The sites of the network, the configured one first.
SELECT b.blog_id, b.site_id AS network_id, CAST(b.domain AS CHAR) AS domain, CAST(b.path AS CHAR) AS path,
    CAST(CONCAT_WS('|', b.archived, b.spam, b.deleted) AS CHAR) AS flags
FROM {base}blogs b
ORDER BY b.blog_id = {blog_id} DESC, b.blog_id
LIMIT 20
