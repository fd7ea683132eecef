INSERT INTO {prefix}fcom_sidecar_refused (created_at, webhook_id, outcome, status, address_hash, request_id, client_address, message,
    content_type, content_length, email, fields, more_fields)
VALUES {each: (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)}
