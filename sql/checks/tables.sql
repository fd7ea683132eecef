-- Those of these tables that the account may see. folds_case: the server stores names in lower case, or ignores case.
-- refuses_zero_dates: an ordinary session may not alter a table whose columns default to them, as WordPress's do (MySQL).
SELECT CAST(TABLE_NAME AS CHAR) AS name, CAST(ENGINE AS CHAR) AS engine, @@lower_case_table_names > 0 AS folds_case,
    @@GLOBAL.sql_mode LIKE '%NO_ZERO_DATE%' AS refuses_zero_dates
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({each: ?})
