-- The same for memberships, whose user_id is text: among ids of as many digits, its order is that of numbers.
SELECT MAX(user_id) FROM {prefix}fcom_space_user
WHERE user_id BETWEEN ? AND ? AND CHAR_LENGTH(user_id) = ?
