INSERT INTO {prefix}fcom_xprofile
    (user_id, username, display_name, is_verified, short_description, meta, status, created_at, updated_at{more columns})
VALUES (?, ?, ?, 0, ?, ?, 'active', {local_time}, {local_time}{more values})
