UPDATE {prefix}fcom_sidecar_mail SET key_hash = ? WHERE id = ? AND lease = ?
