-- In how many events a PHP process has died.
SELECT COUNT(*) FROM {prefix}fcom_sidecar_events WHERE interrupted > 0
