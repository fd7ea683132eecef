-- As wp_update_user_counts: counts the rows of the users table instead of adding one.
INSERT INTO {prefix}options (option_name, option_value, autoload)
SELECT 'user_count', CAST(COUNT(*) AS CHAR), ? FROM {users}
ON DUPLICATE KEY UPDATE option_value = VALUES(option_value)
