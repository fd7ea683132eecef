-- The highest user id within these bounds that has rows; 0 if there is none. Each part reads one entry of an index.
SELECT MAX(user_id) FROM (
    SELECT MAX(user_id) AS user_id FROM {usermeta} WHERE user_id BETWEEN ? AND ?
    UNION ALL
    SELECT MAX(user_id) FROM {prefix}fcom_xprofile WHERE user_id BETWEEN ? AND ?
    UNION ALL
    SELECT MAX(CAST(object_id AS UNSIGNED)) FROM {prefix}fcom_meta
    WHERE object_id BETWEEN ? AND ? AND object_type = 'user'
    UNION ALL
    SELECT MAX(user_id) FROM {prefix}fcom_sidecar_runs WHERE user_id BETWEEN ? AND ?
    UNION ALL
    SELECT MAX(user_id) FROM {prefix}fcom_sidecar_mail WHERE user_id BETWEEN ? AND ?
    UNION ALL
    SELECT MAX(user_id) FROM {prefix}fcom_sidecar_events WHERE user_id BETWEEN ? AND ?
) AS found
