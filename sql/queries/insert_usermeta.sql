INSERT INTO {usermeta} (user_id, meta_key, meta_value{more columns})
VALUES {each: (?, ?, ?{more values})}
