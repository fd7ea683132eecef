-- SHOW, because a server may not have a variable, and a cluster node without quorum executes nothing else.
SHOW VARIABLES WHERE Variable_name IN ('wsrep_on', 'wsrep_provider', 'wsrep_OSU_method', 'group_replication_group_name',
    'group_replication_single_primary_mode', 'group_replication_consistency', 'group_replication_flow_control_period', 'read_only',
    'super_read_only', 'innodb_read_only')
