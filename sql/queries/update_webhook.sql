UPDATE {prefix}fcom_meta SET value = ?, updated_at = {local_time} WHERE id = ?
