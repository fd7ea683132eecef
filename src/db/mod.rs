//! Database access: connections and their sessions, table names, the SQL files, our own tables, and errors. No module
//! above this one opens a connection or writes SQL of its own.

mod additions;
mod allowance;
mod batch;
mod cluster;
mod error;
mod excerpt;
mod group;
mod insist;
mod literal;
mod login;
mod migrations;
mod no_writes;
mod obstacle;
mod pool;
mod probe;
mod session;
mod signs;
mod site_tables;
mod statements;
mod tables;
mod test_write;
mod time;
mod traces;
mod unknown_columns;
mod variables;
mod way;

pub use batch::{Answer, Batch};
pub use cluster::Cluster;
pub use error::{DatabaseError, Doing, ErrorKind, found};
pub use excerpt::{Excerpt, Readable, ShownRow};
pub use group::Member;
pub use insist::{RETRY_FOR, insist, pauses};
pub use literal::Literal;
pub use login::mend_certificate;
pub use migrations::{OwnTables, migrate, missing_migrations, own_tables};
pub use no_writes::NoWrites;
pub use obstacle::{Obstacle, is_unicode, is_used, obstacle, statements_are_logged};
pub use pool::{Cause, Observer, Pool, PoolStatus, Unobserved, open};
pub use probe::Probe;
pub use session::{SQL_MODE, configured_options, connect_options};
pub use site_tables::{Index, OWN_TABLES, Privilege, Purpose, SITE_TABLES, SiteTable, site_tables};
pub use statements::{Statement, Statements};
pub use tables::{InvalidTableName, TableNames};
pub use test_write::{Refusal, Weight, test_write};
pub use time::time;
pub use traces::Traces;
pub use unknown_columns::{follow_columns, implicit_default, refresh_columns};
pub use way::{connect, is_here};

/// Runs a query inside a transaction that the caller owns.
pub type Connection = sqlx::MySqlConnection;
