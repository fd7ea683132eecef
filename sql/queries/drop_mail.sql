DELETE FROM {prefix}fcom_sidecar_mail WHERE id = ? AND lease IS NULL
