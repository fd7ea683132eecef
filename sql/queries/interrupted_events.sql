-- Events during which a PHP process died.
SELECT COUNT(*) FROM {prefix}fcom_sidecar_events WHERE interrupted > 0
