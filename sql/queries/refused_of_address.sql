SELECT r.id, r.created_at, r.webhook_id, CAST(m.value AS BINARY) AS webhook, r.outcome, r.status, r.calls, r.request_id,
    r.client_address, r.message, r.content_type, r.content_length, r.email, r.fields, r.more_fields,
    k.key_id, k.run_id
FROM {prefix}fcom_sidecar_refused r FORCE INDEX (address_hash)
LEFT JOIN {prefix}fcom_meta m ON m.id = r.webhook_id AND m.object_type = 'webhook'
LEFT JOIN {prefix}fcom_sidecar_kept k FORCE INDEX (PRIMARY) ON k.refused_id = r.id
WHERE r.address_hash = ?
ORDER BY r.id DESC
LIMIT ?
