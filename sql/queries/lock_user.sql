-- Calls for the same user never interleave: the second one waits here. The profile is read without a lock.
SELECT EXISTS (SELECT 1 FROM {prefix}fcom_xprofile x WHERE x.user_id = u.ID) AS has_profile
FROM {users} u
WHERE ID = ?
FOR UPDATE
