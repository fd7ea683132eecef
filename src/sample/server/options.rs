//! Options of a private server.

use std::path::PathBuf;

/// Options of a [`PrivateServer`](super::PrivateServer).
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder with another release than the machine's, laid out as a root file system; `tests/releases/servers`
    /// creates such folders.
    pub root: Option<PathBuf>,
    /// The server's time zone, as `+03:00`; `None` uses the machine's.
    pub default_time_zone: Option<String>,
    /// `innodb_flush_log_at_trx_commit`: 1 survives a power failure, 2 survives a crash of the server.
    pub flush_log_at_commit: u8,
    /// Where the server's folder is created; `None` uses memory if there is enough.
    pub folder: Option<PathBuf>,
    /// Additional arguments for the server, after ours.
    pub arguments: Vec<String>,
    /// Additional lines for the server's option file, which programs started by the server read, too.
    pub option_file: String,
    /// Additional environment variables for the server, for example `TZ`.
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
