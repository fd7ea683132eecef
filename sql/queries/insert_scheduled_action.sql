-- As Action Scheduler 3.9 stores a pending action. Both dates are wall-clock times, the second in the site's named zone.
INSERT INTO {prefix}actionscheduler_actions
    (hook, status, scheduled_date_gmt, scheduled_date_local, priority, args, schedule, group_id, attempts,
     last_attempt_gmt, last_attempt_local, claim_id, extended_args{more columns})
VALUES (?, 'pending', ?, ?, 10, ?, ?, ?, 0, '0000-00-00 00:00:00', '0000-00-00 00:00:00', 0, NULL{more values})
