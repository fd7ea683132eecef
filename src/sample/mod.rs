//! The environment that the demo and the tests run against.

pub mod machine;
pub mod mailbox;
pub mod server;
