-- Those that run: four times as long as they take to say so.
SELECT name, settings, mail_state, mail_since, mail_words
FROM {prefix}fcom_sidecar_instances
WHERE seen_at >= UTC_TIMESTAMP() - INTERVAL 60 SECOND
ORDER BY name, id
