-- When the tables that are there were made, as far as the account may see them.
SELECT CAST(TABLE_NAME AS CHAR) AS name, CAST(CREATE_TIME AS CHAR) AS made
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({each: ?})
