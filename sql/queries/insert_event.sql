-- Right after the run's record in the same batch: inside one statement LAST_INSERT_ID() stays what the statement before
-- has given. The row of a new membership gets its id in the same batch, and WordPress looks it up when it is there: four
-- look-ups in here cost as much as all the rows.
INSERT INTO {prefix}fcom_sidecar_events
    (run_id, user_id, kind, space_id, membership_id, is_new, role, origin, due_at, created_at)
VALUES {each: (LAST_INSERT_ID(), ?, ?, ?, ?, ?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))}
