UPDATE {prefix}actionscheduler_actions SET status = 'canceled' WHERE action_id = ?
