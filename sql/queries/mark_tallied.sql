-- By primary key, so that runs whose transaction is still open are never waited for. How many rows it changes is how
-- many runs are counted: another instance may have been faster.
UPDATE {prefix}fcom_sidecar_runs FORCE INDEX (PRIMARY) SET tallied = 1 WHERE id IN ({each: ?}) AND tallied = 0
