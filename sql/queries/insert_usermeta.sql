INSERT INTO {usermeta} (user_id, meta_key, meta_value)
VALUES {each: (?, ?, ?)}
