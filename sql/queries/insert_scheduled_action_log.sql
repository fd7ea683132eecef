INSERT INTO {prefix}actionscheduler_logs (action_id, message, log_date_gmt, log_date_local{more columns}) VALUES (?, ?, ?, ?{more values})
