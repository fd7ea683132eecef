//! The daemon's use of the database: its own tables, its statements and their number; and the private server of the
//! tests.

mod biographies;
mod encryption;
mod event_queue;
mod own_tables;
mod plans;
mod private_server;
mod refused_page;
mod round_trips;
mod statements;
mod unknown_columns;
