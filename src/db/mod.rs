//! The database: connections and their session, table names, the SQL files, our own tables, and the words for what
//! went wrong. Nothing above this module opens a connection or writes SQL of its own.

mod binary_log;
mod error;
mod migrations;
mod pool;
mod site_tables;
mod statements;
mod tables;

pub use binary_log::{StatementBinaryLog, binary_log_problem};
pub use error::{DatabaseError, Doing};
pub use migrations::{migrate, missing_migrations};
pub use pool::{Pool, SQL_MODE, connect, connect_options, open};
pub use site_tables::{Index, OWN_TABLES, Privilege, Purpose, SITE_TABLES, SiteTable};
pub use statements::{Statement, Statements};
pub use tables::TableNames;

/// What a query inside a transaction runs on: the caller owns the transaction.
pub type Connection = sqlx::MySqlConnection;
