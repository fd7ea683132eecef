-- As update_metadata: all rows of that key.
UPDATE {usermeta} SET meta_value = ? WHERE user_id = ? AND meta_key = ?
