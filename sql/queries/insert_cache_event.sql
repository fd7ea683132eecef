-- Has WordPress drop its copies of a user whose row was changed outside of any call.
INSERT INTO {prefix}fcom_sidecar_events (user_id, kind, due_at, created_at)
VALUES (?, 'user_changed', UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))
