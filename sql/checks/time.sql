-- The server's clock, by which the daemon tells whether its own can say what is old.
SELECT UTC_TIMESTAMP()
