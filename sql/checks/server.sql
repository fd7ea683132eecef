-- Properties of the server and of this session.
SELECT CAST(VERSION() AS CHAR) AS version, CAST(@@version_comment AS CHAR) AS comment,
    CAST(@@global.time_zone AS CHAR) AS global_zone, CAST(@@system_time_zone AS CHAR) AS system_zone,
    CAST(@@session.time_zone AS CHAR) AS session_zone, CAST(@@session.sql_mode AS CHAR) AS sql_mode,
    CAST(UNIX_TIMESTAMP() AS SIGNED) AS unix_time, CAST(DATABASE() AS CHAR) AS name, CAST(CURRENT_USER() AS CHAR) AS account
