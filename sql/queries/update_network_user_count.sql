-- As wp_update_user_counts on a network, where users can be marked as spam or deleted.
UPDATE {base}sitemeta
SET meta_value = (SELECT COUNT(*) FROM {users} WHERE spam = 0 AND deleted = 0)
WHERE meta_key = 'user_count' AND site_id = (SELECT b.site_id FROM {base}blogs b WHERE b.blog_id = {blog_id})
