-- Columns in the order of wp_insert_user.
INSERT INTO {users}
    (user_pass, user_nicename, user_email, user_url, user_registered, user_activation_key, display_name, user_login{more columns})
VALUES (?, ?, ?, '', ?, '', ?, ?{more values})
