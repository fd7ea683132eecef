-- The members of the replication group as this one sees them. Needs SELECT on this table, which no call needs.
SELECT MEMBER_ID = @@server_uuid AS is_this, CAST(CONCAT(MEMBER_HOST, ':', MEMBER_PORT) AS CHAR) AS address,
    CAST(MEMBER_STATE AS CHAR) AS state, CAST(MEMBER_ROLE AS CHAR) AS role
FROM performance_schema.replication_group_members
ORDER BY MEMBER_HOST, MEMBER_PORT
