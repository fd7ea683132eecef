-- By primary key, so that no other user's rows are waited for, however small the table.
DELETE m FROM {prefix}fcom_space_user AS m FORCE INDEX (PRIMARY)
WHERE m.id IN ({each: ?})
