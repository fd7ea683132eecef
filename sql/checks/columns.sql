-- needs_value: a strict session rejects an INSERT that does not name the column.
SELECT CAST(TABLE_NAME AS CHAR) AS table_name, CAST(COLUMN_NAME AS CHAR) AS name,
    CAST(CHARACTER_SET_NAME AS CHAR) AS charset, CAST(EXTRA AS CHAR) AS extra,
    CAST(DATA_TYPE AS CHAR) AS data_type,
    IS_NULLABLE = 'NO' AND COLUMN_DEFAULT IS NULL AS needs_value
FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME IN ({each: ?})
ORDER BY TABLE_NAME, ORDINAL_POSITION
