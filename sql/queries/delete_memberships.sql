-- By primary key, so as not to wait for other users' rows, however small the table.
DELETE m FROM {prefix}fcom_space_user AS m FORCE INDEX (PRIMARY)
WHERE m.id IN ({each: ?})
