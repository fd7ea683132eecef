-- Before PHP gets the call, so that other daemons see that it runs; with the time at which its rehearsal began.
INSERT INTO {prefix}fcom_sidecar_shadow (started_at, address_hash, request_id) VALUES (UTC_TIMESTAMP(6) - INTERVAL ? MICROSECOND, ?, ?)
