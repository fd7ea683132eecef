-- Directly after the insert of the run, in the same batch: within one statement LAST_INSERT_ID() keeps the value of the
-- statement before. A new membership gets its id in the same batch, and WordPress looks it up later: four lookups in here
-- would cost as much as all the rows.
INSERT INTO {prefix}fcom_sidecar_events
    (run_id, user_id, kind, space_id, membership_id, is_new, role, origin, due_at, created_at)
VALUES {each: (LAST_INSERT_ID(), ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))}
