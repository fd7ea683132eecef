-- A table without transactions among the names, if any.
SELECT CAST(TABLE_NAME AS CHAR) AS table_name, CAST(ENGINE AS CHAR) AS engine
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND ENGINE <> 'InnoDB' AND TABLE_NAME IN ({each: ?})
LIMIT 1
