-- Of those of these tables that the account may see. folds_case: the server stores names in lower case, or ignores case.
SELECT CAST(TABLE_NAME AS CHAR) AS table_name, CAST(COLUMN_NAME AS CHAR) AS name,
    EXTRA LIKE '%auto_increment%' AS is_counter, @@lower_case_table_names > 0 AS folds_case
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({each: ?})
ORDER BY TABLE_NAME, ORDINAL_POSITION
