INSERT INTO {prefix}actionscheduler_groups (slug) VALUES (?)
