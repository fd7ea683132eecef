-- status and meta keep their column defaults, as in PHP.
INSERT INTO {prefix}fcom_space_user (space_id, role, user_id, updated_at, created_at{more columns})
VALUES {each: (?, ?, ?, {local_time}, {local_time}{more values})}
