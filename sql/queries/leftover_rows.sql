-- After insert_user: whether rows of another person have the new user's id. A restored dump leaves such rows behind, and
-- sets the counter of the users table back. The id is compared with a VARCHAR as text of the weakest collation. Memberships are
-- found through the spaces, because older releases of FluentCommunity lack the index on user_id.
SELECT EXISTS (SELECT 1 FROM {usermeta} WHERE user_id = LAST_INSERT_ID())
    OR EXISTS (SELECT 1 FROM {prefix}fcom_xprofile WHERE user_id = LAST_INSERT_ID())
    OR EXISTS (
        SELECT 1 FROM {prefix}fcom_spaces s
        JOIN {prefix}fcom_space_user m ON m.space_id = s.id AND m.user_id = CONCAT(LAST_INSERT_ID())
    )
    OR EXISTS (SELECT 1 FROM {prefix}fcom_meta WHERE object_id = LAST_INSERT_ID() AND object_type = 'user')
    OR EXISTS (SELECT 1 FROM {prefix}fcom_sidecar_runs WHERE user_id = LAST_INSERT_ID())
    OR EXISTS (SELECT 1 FROM {prefix}fcom_sidecar_mail WHERE user_id = LAST_INSERT_ID())
    OR EXISTS (SELECT 1 FROM {prefix}fcom_sidecar_events WHERE user_id = LAST_INSERT_ID()) AS has_rows
