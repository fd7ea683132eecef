UPDATE {prefix}fcom_meta SET meta_key = ?, updated_at = {local_time} WHERE id = ?
