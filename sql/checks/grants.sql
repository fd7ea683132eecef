-- Without FOR, the server adds what the session's active roles may do.
SHOW GRANTS
