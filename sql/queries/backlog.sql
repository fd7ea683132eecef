-- The backlog, for the metrics. Counts at most 10,000 of each kind, so that reading a large backlog does not make it larger.
-- Beyond 10,000 mails, the oldest one may be missed.
SELECT 'uncounted' AS kind, COUNT(*) AS waiting, MIN(created_at) AS oldest
FROM (SELECT created_at FROM {prefix}fcom_sidecar_runs WHERE tallied = 0 ORDER BY id LIMIT 10000) runs
UNION ALL
SELECT 'pending', COUNT(*), MIN(created_at)
FROM (SELECT created_at FROM {prefix}fcom_sidecar_mail WHERE state = 'pending' ORDER BY next_attempt_at LIMIT 10000) mails
UNION ALL
SELECT 'dead', COUNT(*), NULL
FROM (SELECT id FROM {prefix}fcom_sidecar_mail WHERE state = 'dead' LIMIT 10000) given_up
