-- How the session's account logs in. Holds a hash of its password, on some servers.
SHOW CREATE USER CURRENT_USER()
