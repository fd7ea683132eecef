-- What belongs to refused calls that are no longer recorded: they are deleted in their order.
DELETE FROM {prefix}fcom_sidecar_kept
WHERE refused_id < (SELECT COALESCE(MIN(id), 0) FROM {prefix}fcom_sidecar_refused)
ORDER BY refused_id LIMIT 500
