-- Pending mails, dead mails, and the age of the oldest pending one in seconds. Times are UTC.
SELECT COUNT(CASE WHEN state = 'pending' THEN 1 END) AS pending, COUNT(CASE WHEN state = 'dead' THEN 1 END) AS dead,
    CAST(COALESCE(MAX(CASE WHEN state = 'pending' THEN TIMESTAMPDIFF(SECOND, created_at, UTC_TIMESTAMP()) END), 0) AS SIGNED)
        AS oldest
FROM {prefix}fcom_sidecar_mail
WHERE state IN ('pending', 'dead')
