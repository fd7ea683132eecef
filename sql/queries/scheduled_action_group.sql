SELECT group_id FROM {prefix}actionscheduler_groups WHERE slug = ? LIMIT 1
