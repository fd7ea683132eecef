-- Orphaned claims, and runs that are uncounted for more than a minute. Times are UTC.
SELECT (SELECT COUNT(*) FROM {base}fcom_sidecar_claims) AS claims,
    (SELECT COUNT(*) FROM {prefix}fcom_sidecar_runs
     WHERE tallied = 0 AND created_at < UTC_TIMESTAMP() - INTERVAL 1 MINUTE) AS uncounted
