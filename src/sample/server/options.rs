//! How a private server is set up.

use std::path::PathBuf;

/// How a [`PrivateServer`](super::PrivateServer) is set up.
#[derive(Clone, Debug)]
pub struct Options {
    /// Another release than the machine's, in a folder with the layout of a system's root; `tests/releases/servers` makes such
    /// folders.
    pub root: Option<PathBuf>,
    /// The server's time zone, as `+03:00`; `None` takes the machine's.
    pub default_time_zone: Option<String>,
    /// `innodb_flush_log_at_trx_commit`: 1 survives a power cut, 2 survives the death of the server.
    pub flush_log_at_commit: u8,
    /// Where the server's folder is made; `None` takes memory where there is enough.
    pub folder: Option<PathBuf>,
    /// More arguments for the server, after ours.
    pub arguments: Vec<String>,
    /// More lines for the server's option file, where programs that the server starts find them, too.
    pub option_file: String,
    /// Variables added to the server's environment, for example `TZ`.
    pub environment: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: None,
            default_time_zone: None,
            flush_log_at_commit: 2,
            folder: None,
            arguments: Vec::new(),
            option_file: String::new(),
            environment: Vec::new(),
        }
    }
}
