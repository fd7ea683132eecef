-- Gr_…: the time, in UTC, when the replication group last agreed on anything; it does so every few seconds.
SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_cluster_status', 'wsrep_cluster_size', 'wsrep_local_state_comment', 'wsrep_ready',
    'Gr_last_consensus_end_timestamp')
