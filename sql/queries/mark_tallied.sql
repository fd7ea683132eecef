-- By primary key, so as never to wait for runs whose transaction is still open. The number of changed rows is the number of
-- runs to count: another instance may have been faster.
UPDATE {prefix}fcom_sidecar_runs FORCE INDEX (PRIMARY) SET tallied = 1 WHERE id IN ({each: ?}) AND tallied = 0
