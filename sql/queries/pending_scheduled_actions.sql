SELECT action_id FROM {prefix}actionscheduler_actions
WHERE hook = ? AND status = 'pending' AND args = ?
ORDER BY action_id
