-- Properties of the server and of this session.
SELECT CAST(VERSION() AS CHAR) AS version, CAST(@@version_comment AS CHAR) AS comment,
    CAST(@@global.time_zone AS CHAR) AS global_zone, CAST(@@system_time_zone AS CHAR) AS system_zone,
    CAST(@@session.time_zone AS CHAR) AS session_zone, CAST(@@session.sql_mode AS CHAR) AS sql_mode,
    CAST(UNIX_TIMESTAMP() AS SIGNED) AS unix_time, CAST(DATABASE() AS CHAR) AS name, CAST(CURRENT_USER() AS CHAR) AS account,
    -- The account's own limit if it has one, else the one for every account; 0 is none.
    CAST(@@session.max_user_connections AS SIGNED) AS account_connections,
    CAST(@@global.max_connections AS SIGNED) AS all_connections
