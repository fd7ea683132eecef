-- The server's clock, which daemons compare with theirs, and what operators ask for.
SELECT UTC_TIMESTAMP() AS now, tries_asked FROM {prefix}fcom_sidecar_instances WHERE id = ?
