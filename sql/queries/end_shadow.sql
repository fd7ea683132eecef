UPDATE {prefix}fcom_sidecar_shadow
SET ended_at = UTC_TIMESTAMP(6), webhook_id = ?, user_id = ?, verdict = ?, sidecar_status = ?, php_status = ?, sidecar_ms = ?,
    php_ms = ?, findings = ?
WHERE id = ?
