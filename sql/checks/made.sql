-- When the tables that are there were made, as far as the account may see them, and on which server: of servers that copy each other's
-- rows, each has made its tables itself (and MariaDB goes by the file), and each has its own `server_id`.
SELECT CAST(TABLE_NAME AS CHAR) AS name, CAST(CREATE_TIME AS CHAR) AS made,
    CAST(CONCAT_WS(' ', @@hostname, @@port, @@server_id) AS CHAR) AS server
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({each: ?})
