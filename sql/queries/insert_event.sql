-- Right after the run's record in the same batch: inside one statement LAST_INSERT_ID() stays what the statement before
-- has given. The row of a new membership gets its id in the same batch, so it is looked up by space and user.
INSERT INTO {prefix}fcom_sidecar_events
    (run_id, user_id, kind, space_id, membership_id, is_new, role, origin, due_at, created_at)
VALUES {each: (LAST_INSERT_ID(), ?, ?, ?,
    COALESCE(?, (SELECT MAX(m.id) FROM {prefix}fcom_space_user m WHERE m.space_id = ? AND m.user_id = ?)),
    ?, ?, ?, UTC_TIMESTAMP(3), UTC_TIMESTAMP(3))}
