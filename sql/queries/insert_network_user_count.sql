-- If the network has no count yet. No unique key prevents a second one, so the caller holds a claim.
INSERT INTO {base}sitemeta (site_id, meta_key, meta_value{more columns})
SELECT b.site_id, 'user_count', (SELECT COUNT(*) FROM {users} WHERE spam = 0 AND deleted = 0){more values}
FROM {base}blogs b
WHERE b.blog_id = {blog_id}
    AND NOT EXISTS (SELECT 1 FROM {base}sitemeta n WHERE n.site_id = b.site_id AND n.meta_key = 'user_count')
