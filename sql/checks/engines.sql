-- The first of these tables that does not support transactions.
SELECT CAST(TABLE_NAME AS CHAR) AS table_name, CAST(ENGINE AS CHAR) AS engine
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND ENGINE <> 'InnoDB' AND TABLE_NAME IN ({each: ?})
LIMIT 1
