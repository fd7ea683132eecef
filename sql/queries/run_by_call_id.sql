-- Did the commit whose answer was lost take place?
SELECT id, webhook_id, user_id, outcome FROM {prefix}fcom_sidecar_runs WHERE call_id = ?
