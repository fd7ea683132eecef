-- The columns of these tables that the account may read, in the tables' order.
SELECT CAST(TABLE_NAME AS CHAR) AS table_name, CAST(COLUMN_NAME AS CHAR) AS name, CAST(DATA_TYPE AS CHAR) AS data_type
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({each: ?}) AND FIND_IN_SET('select', `PRIVILEGES`) > 0
ORDER BY TABLE_NAME, ORDINAL_POSITION
