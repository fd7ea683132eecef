-- The first of these tables that does not support transactions, and its engine; a view has none.
SELECT CAST(TABLE_NAME AS CHAR) AS table_name, CAST(ENGINE AS CHAR) AS engine
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND (ENGINE <> 'InnoDB' OR TABLE_TYPE = 'VIEW') AND TABLE_NAME IN ({each: ?})
LIMIT 1
