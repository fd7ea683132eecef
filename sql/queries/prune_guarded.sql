-- Four times as long as running daemons take to confirm what they protect.
DELETE FROM {prefix}fcom_sidecar_guard
WHERE (subject LIKE 'webhook %' OR subject LIKE 'title %') AND seen_at < UTC_TIMESTAMP() - INTERVAL 60 SECOND
