//! What only MySQL has: its ways to log in, its collation and its defaults. `make matrix` runs these tests with the MySQL server that
//! `FCOM_TEST_SERVER` names; everywhere else they are ignored.

mod defaults;
mod login;
