-- Runs with their webhooks and users as they are now, newest first.
SELECT r.id, r.created_at, r.webhook_id, CAST(w.value AS BINARY) AS webhook, r.user_id, u.user_login, r.outcome, r.changes,
    r.duration_ms, r.client_address, r.request_id, r.tallied
FROM {prefix}fcom_sidecar_runs r
LEFT JOIN {prefix}fcom_meta w ON w.id = r.webhook_id AND w.object_type = 'webhook'
LEFT JOIN {users} u ON u.ID = r.user_id
WHERE r.id IN ({each: ?})
ORDER BY r.id DESC
