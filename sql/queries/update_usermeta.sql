-- As update_metadata: every row of that key.
UPDATE {usermeta} SET meta_value = ? WHERE user_id = ? AND meta_key = ?
