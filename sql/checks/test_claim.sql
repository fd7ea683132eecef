-- Part of a test write, which is rolled back.
INSERT IGNORE INTO {base}fcom_sidecar_claims (kind, value, call_id)
VALUES ('test', UUID(), UNHEX('00000000000000000000000000000000'))
