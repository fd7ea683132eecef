-- The columns of these tables whose character set is not Unicode.
SELECT CAST(TABLE_NAME AS CHAR) AS table_name, CAST(COLUMN_NAME AS CHAR) AS name, CAST(CHARACTER_SET_NAME AS CHAR) AS charset
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND CHARACTER_SET_NAME NOT LIKE 'utf8%' AND TABLE_NAME IN ({each: ?})
