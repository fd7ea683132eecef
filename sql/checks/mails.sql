-- Mails that wait, those that were given up, and how long the oldest has waited, in seconds. Times are UTC.
SELECT COUNT(CASE WHEN state = 'pending' THEN 1 END) AS pending, COUNT(CASE WHEN state = 'dead' THEN 1 END) AS dead,
    CAST(COALESCE(MAX(CASE WHEN state = 'pending' THEN TIMESTAMPDIFF(SECOND, created_at, UTC_TIMESTAMP()) END), 0) AS SIGNED)
        AS oldest
FROM {prefix}fcom_sidecar_mail
WHERE state IN ('pending', 'dead')
