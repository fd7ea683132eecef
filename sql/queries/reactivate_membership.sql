UPDATE {prefix}fcom_space_user SET status = 'active', role = ?, updated_at = {local_time} WHERE id = ?
