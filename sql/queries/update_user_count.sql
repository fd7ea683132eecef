-- As wp_update_user_counts: counts the rows of the users table instead of adding one.
INSERT INTO {prefix}options (option_name, option_value, autoload{more columns})
SELECT 'user_count', counted.users, ?{more values} FROM (SELECT CAST(COUNT(*) AS CHAR) AS users FROM {users}) counted
ON DUPLICATE KEY UPDATE option_value = counted.users
