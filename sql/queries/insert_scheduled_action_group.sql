INSERT INTO {prefix}actionscheduler_groups (slug{more columns}) VALUES (?{more values})
