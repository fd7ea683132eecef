SELECT s.id, s.started_at, s.webhook_id, CAST(m.value AS BINARY) AS webhook, s.user_id, s.verdict, s.sidecar_status, s.php_status,
    s.sidecar_ms, s.php_ms, s.request_id, s.findings
FROM {prefix}fcom_sidecar_shadow s
LEFT JOIN {prefix}fcom_meta m ON m.id = s.webhook_id AND m.object_type = 'webhook'
WHERE s.id = ?
