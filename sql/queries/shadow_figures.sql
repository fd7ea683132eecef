-- From the index alone: findings are long.
SELECT verdict, COUNT(*) AS calls, CAST(COALESCE(SUM(php_ms), 0) AS UNSIGNED) AS php_ms,
    CAST(COALESCE(SUM(sidecar_ms), 0) AS UNSIGNED) AS sidecar_ms, COUNT(sidecar_ms) AS computed
FROM {prefix}fcom_sidecar_shadow FORCE INDEX (figures)
WHERE started_at >= ?
GROUP BY verdict
