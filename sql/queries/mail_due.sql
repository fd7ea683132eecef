SELECT 1 FROM {prefix}fcom_sidecar_mail WHERE state = 'pending' AND next_attempt_at <= ? LIMIT 1
