-- When the must-use plugin last said that it works, and which guard it has.
SELECT CAST(subject AS CHAR) AS subject, TIMESTAMPDIFF(SECOND, seen_at, UTC_TIMESTAMP()) AS age
FROM {prefix}fcom_sidecar_guard
WHERE subject LIKE 'guard %'
ORDER BY seen_at DESC LIMIT 1
