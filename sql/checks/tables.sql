-- Those among the names that the account may see. folds_case: the server keeps names in lower case, or does not care.
SELECT CAST(TABLE_NAME AS CHAR) AS name, CAST(ENGINE AS CHAR) AS engine, @@lower_case_table_names > 0 AS folds_case
FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({each: ?})
