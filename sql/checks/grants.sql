-- Without FOR, the server includes the privileges of the session's active roles.
SHOW GRANTS
